// SPDX-License-Identifier: Apache-2.0
#include "model/stop_matcher.h"

#include <gtest/gtest.h>

namespace orrery::model {
namespace {

// What comes of the text given in these pieces: text before the stop, '|', the stop; or the whole text.
std::string Cut(std::vector<std::string> stops, const std::vector<std::string>& pieces) {
  StopMatcher matcher(std::move(stops));
  for (const std::string& piece : pieces) {
    if (const auto match = matcher.Append(piece))
      return matcher.text().substr(0, match->begin) + "|" + matcher.stop(match->stop);
  }
  return matcher.text();
}

TEST(StopMatcher, NoStops) { EXPECT_EQ(Cut({}, {"ab", "", "c"}), "abc"); }

TEST(StopMatcher, WithinAToken) { EXPECT_EQ(Cut({"<end>"}, {"x = 1\n<end>\nmore"}), "x = 1\n|<end>"); }

TEST(StopMatcher, AcrossTokens) {
  EXPECT_EQ(Cut({"<end_of_step>"}, {"1\n", "<", "end", "_of_", "step", ">\n"}), "1\n|<end_of_step>");
  EXPECT_EQ(Cut({"<end_of_step>"}, {"<end_of<end", "_of_step>"}), "<end_of|<end_of_step>");
}

TEST(StopMatcher, TheFirstToBeCompleteWins) {
  EXPECT_EQ(Cut({"bcd", "c"}, {"abcd"}), "ab|c");
  EXPECT_EQ(Cut({"ab", "abc"}, {"abc"}), "|ab");
  EXPECT_EQ(Cut({"b", "ab"}, {"xab"}), "x|ab");
}

TEST(StopMatcher, TheCutDoesNotDependOnTokens) {
  const std::string text = "aXbXYcXYZ";
  for (size_t a = 0; a <= text.size(); ++a) {
    for (size_t b = a; b <= text.size(); ++b) {
      EXPECT_EQ(Cut({"XYZ", "XYc", "Yc"}, {text.substr(0, a), text.substr(a, b - a), text.substr(b)}), "aXb|XYc");
    }
  }
}

TEST(StopMatcher, BytesThatAreNoText) {
  EXPECT_EQ(Cut({std::string("\0\xff", 2)}, {std::string("a\0", 2), "\xff"}), std::string("a|\0\xff", 4));
}

}  // namespace
}  // namespace orrery::model
