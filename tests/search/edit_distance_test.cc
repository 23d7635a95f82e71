// SPDX-License-Identifier: Apache-2.0
#include "search/edit_distance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace orrery::search {
namespace {

TEST(EditDistance, KnownPairs) {
  EXPECT_EQ(EditDistanceUpTo("kitten", "sitting", 20), 3);
  EXPECT_EQ(EditDistanceUpTo("", "", 20), 0);
  EXPECT_EQ(EditDistanceUpTo("", "abc", 20), 3);
  EXPECT_EQ(EditDistanceUpTo("flaw", "lawn", 20), 2);
  EXPECT_EQ(EditDistanceUpTo("kitten", "sitting", 2), 2);
  EXPECT_EQ(EditDistanceUpTo("kitten", "sitting", 3), 3);
  EXPECT_EQ(EditDistanceUpTo("same", "same", 0), 0);
}

TEST(EditDistance, CountsCharactersNotBytes) {
  EXPECT_EQ(EditDistanceUpTo("πr²", "r", 20), 2);
  EXPECT_EQ(EditDistanceUpTo("日本語", "日本", 20), 1);
  EXPECT_EQ(EditDistanceUpTo("😀", "", 20), 1);
  EXPECT_EQ(EditDistanceUpTo("\xff", "\xfe", 20), 1);
  EXPECT_EQ(EditDistanceUpTo("\xe6\x97", "x", 20), 2);  // a character cut in half: two stray bytes
}

// Against the full table, on random words of three letters.
TEST(EditDistance, AgreesWithTheFullTable) {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    std::string a(random() % 30, 'a'), b(random() % 30, 'a');
    for (char& c : a) c = static_cast<char>('a' + random() % 3);
    for (char& c : b) c = static_cast<char>('a' + random() % 3);
    std::vector<std::vector<int>> table(a.size() + 1, std::vector<int>(b.size() + 1));
    for (size_t i = 0; i <= a.size(); ++i) {
      for (size_t j = 0; j <= b.size(); ++j) {
        if (i == 0 || j == 0) {
          table[i][j] = static_cast<int>(i + j);
        } else {
          table[i][j] =
              std::min({table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
        }
      }
    }
    const int limit = static_cast<int>(random() % 25) + 1;
    ASSERT_EQ(EditDistanceUpTo(a, b, limit), std::min(limit, table[a.size()][b.size()]))
        << a << " " << b << " " << limit;
  }
}

}  // namespace
}  // namespace orrery::search
