// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/terminal_text.h"

#include <gtest/gtest.h>

namespace orrery::runners {
namespace {

TEST(Printable, NothingMovesTheCursor) {
  EXPECT_EQ(Printable("a\tb\nc é 你"), "a  b\nc é 你");
  EXPECT_EQ(Printable("\x1b[31mred\x07"), "\xef\xbf\xbd[31mred\xef\xbf\xbd");
  EXPECT_EQ(Printable("a\rb"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(Printable("\xff\xc3"), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(Printable("a\u202e"
                      "b"),
            "a\xef\xbf\xbd"
            "b")
      << "no turn of the direction";
}

TEST(Columns, OfWideAndCombiningCharacters) {
  EXPECT_EQ(ColumnsOf("abc"), 3U);
  EXPECT_EQ(ColumnsOf("你好"), 4U);
  EXPECT_EQ(ColumnsOf("e\u0301"), 1U);
  EXPECT_EQ(ColumnsOf(""), 0U);
}

TEST(Wrapped, LinesFit) {
  EXPECT_EQ(Wrapped("abcdef\ng\n", 4), (std::vector<std::string>{"abcd", "ef", "g"}));
  EXPECT_EQ(Wrapped("你好吗", 5), (std::vector<std::string>{"你好", "吗"}));
  EXPECT_EQ(Wrapped("a\n\nb", 4), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(Wrapped("", 4), (std::vector<std::string>{""}));
}

TEST(Padded, IsAsWideAsAsked) {
  EXPECT_EQ(Padded("ab", 4), "ab  ");
  EXPECT_EQ(Padded("你好吗", 5), "你好…");
  EXPECT_EQ(ColumnsOf(Padded("你好吗", 4)), 4U);
  EXPECT_EQ(Fitted("a\nb", 9), "a b");
  EXPECT_EQ(Fitted("abc", 0), "");
}

}  // namespace
}  // namespace orrery::runners
