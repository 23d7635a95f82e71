// SPDX-License-Identifier: Apache-2.0
#include "sandbox/text.h"

#include <gtest/gtest.h>

namespace orrery::sandbox {
namespace {

using namespace std::string_view_literals;

TEST(EscapeInvalidUtf8, WellFormedTextStays) {
  for (const auto text :
       {""sv, "plain\n"sv, "h\u00e9 \u2211 \U0001f600"sv, "\0\x7f"sv, "\u07ff\u0800\ud7fb\ue000\uffff\U0010ffff"sv}) {
    EXPECT_EQ(EscapeInvalidUtf8(text), text);
  }
}

TEST(EscapeInvalidUtf8, OtherBytesAreNamed) {
  EXPECT_EQ(EscapeInvalidUtf8("\xff"sv), "\\xff");
  EXPECT_EQ(EscapeInvalidUtf8("a\x80z"sv), "a\\x80z");
  EXPECT_EQ(EscapeInvalidUtf8("\xc3"sv), "\\xc3") << "cut short";
  EXPECT_EQ(EscapeInvalidUtf8("\xc0\xaf"sv), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(EscapeInvalidUtf8("\xe0\x80\xaf"sv), "\\xe0\\x80\\xaf") << "overlong";
  EXPECT_EQ(EscapeInvalidUtf8("\xed\xa0\x80"sv), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(EscapeInvalidUtf8("\xf4\x90\x80\x80"sv), "\\xf4\\x90\\x80\\x80") << "above U+10FFFF";
  EXPECT_EQ(EscapeInvalidUtf8("\xe2\x88z"sv), "\\xe2\\x88z");
}

TEST(WithoutCutCharacter, OnlyAnUnfinishedEndGoes) {
  EXPECT_EQ(WithoutCutCharacter("ab\xe2\x88"sv), "ab");
  EXPECT_EQ(WithoutCutCharacter("ab\xe2\x88\x91"sv), "ab\xe2\x88\x91"sv);
  EXPECT_EQ(WithoutCutCharacter("ab\xf0\x9f\x98"sv), "ab");
  EXPECT_EQ(WithoutCutCharacter("ab"sv), "ab");
  EXPECT_EQ(WithoutCutCharacter("\x80\x80\x80\x80"sv), "\x80\x80\x80\x80"sv) << "no character at all";
  EXPECT_EQ(WithoutCutCharacter(""sv), "");
}

TEST(SignalName, KnownAndUnknown) {
  EXPECT_EQ(SignalName(11), "SIGSEGV");
  EXPECT_EQ(SignalName(63), "signal 63");
}

}  // namespace
}  // namespace orrery::sandbox
