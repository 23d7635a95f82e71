// SPDX-License-Identifier: Apache-2.0
#include "reasoning/number.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>

#include "reasoning/grader.h"

namespace orrery::reasoning {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

constexpr std::array kEqualPairs = {
    Pair{"72", "72"},
    Pair{"25", "025"},
    Pair{"18", "18.0"},
    Pair{"18", "18."},
    Pair{"0.5", ".5"},
    Pair{"0", "-0.0"},
    Pair{"-3", "- 3"},
    Pair{"5", "+5"},
    Pair{"1234", "1,234"},
    Pair{"1,234,567.5", "1234567.50"},
    Pair{"1234", "1{,}234"},
    Pair{"10000", "10,\\!000"},
    Pair{"12000", "12\\,000"},
    Pair{"3/4", "0.75"},
    Pair{"\\frac{3}{4}", "3/4"},
    Pair{"\\frac34", "\\dfrac{6}{8}"},
    Pair{"-\\frac{1}{2}", "\\frac{-1}{2}"},
    Pair{"1.5", "1 1/2"},
    Pair{"1\\frac{1}{2}", "3/2"},
    Pair{"-2.25", "-2 1/4"},
    Pair{"\\tfrac{0.5}{2}", "0.25"},
    Pair{"$18$", "\\$18"},
    Pair{"18", "$18.00"},
    Pair{"-18", "-$18"},
    Pair{"18", "18 dollars"},
    Pair{"18", "18\\text{ cm}"},
    Pair{"18", "18 \\mathrm{m}"},
    Pair{"90", "90^\\circ"},
    Pair{"90^{\\circ}", "90°"},
    Pair{"12", "\\boxed{12}"},
    Pair{"12", "$\\boxed{12}$."},
    Pair{"12", "\\text{12}"},
    Pair{"60", "60 miles/hour"},
    Pair{"60 km/h", "60"},
    Pair{"20 cm^2", "20 \\text{ cm}^2"},
    Pair{"5 apples", "5 red apples"},
    Pair{"5 inches", "5 inch"},
    Pair{"50%", "50\\%"},
    Pair{"50%", "50"},
    Pair{"50", "50 percent"},
    Pair{"50%", "0.5"},
    Pair{"0.5", "50\\%"},
    Pair{"12.5\\%", "1/8"},
    Pair{"2500", "2.5e3"},
    Pair{"0.00001", "1e-05"},
    Pair{"2500", "2.5 \\times 10^{3}"},
    Pair{"2500", "2.5 * 10^3"},
    Pair{"\u22125", "-5"},
    Pair{"0.3", "0.30000000000000004"},
    Pair{"1/3", "0.3333333333333333"},
    Pair{"4.35", "4.3499999999999996"},
    Pair{"0", "5.551115123125783e-17"},
    Pair{"100000000000000000000000000000000000001", "100000000000000000000000000000000000001.0"},
};

constexpr std::array kDifferentPairs = {
    Pair{"3", "300"},
    Pair{"10000", "10001"},
    Pair{"1/3", "0.3333"},
    Pair{"1/3", "0.333333"},
    Pair{"50", "0.5"},
    Pair{"5", "-5"},
    Pair{"0.3", "0.31"},
    Pair{"50%", "5"},
    Pair{"50%", "0.005"},
    Pair{"50%", "51%"},
    Pair{"18", "18.01"},
    Pair{"1", "0"},
    Pair{"0", "1e-11"},
    Pair{"5 cm", "5 \\text{ m}"},
    Pair{"5 am", "5 pm"},
    Pair{"20 cm^2", "20 cm^3"},
    Pair{"5 dollars", "5 cents"},
    Pair{"123456789012", "123456789012.3456"},
    Pair{"123456789012", "123456789013.0"},
    Pair{"0.3", "0.300000001"},
    Pair{"100000000000000000000000000000000000001", "100000000000000000000000000000000000002"},
    Pair{"1/7", "1/8"},
};

constexpr std::array<std::string_view, 42> kNoNumbers = {
    "",        " ",   "1 2", "12 34",  "1,23",   "0,5",    "0,111",      "1234,567",  "1.2.3",        "5:30",   "3:4",
    "x",       "5x",  "5 x", "2\\pi",  "2 pi",   "5 xy",   "3\\sqrt{2}", "1/0",       "\\frac{1}{0}", "1 2/0",  "1 3/2",
    "1.5 1/2", "--5", "+-5", "±5",     "\\pm 5", "5 or 6", "5 and 6",    "5 million", "five",         "(1, 2)", "1, 2",
    "5!",      "2^3", "2+3", "1e5000", "nan",    "inf",    "12_3",       "0x10",      "1/2/3"};

TEST(GradeNumbers, EqualPairs) {
  for (const auto& [reference, answer] : kEqualPairs) {
    EXPECT_EQ(GradeNumbers(reference, answer), Grade::kEqual) << reference << " | " << answer;
    EXPECT_EQ(GradeNumbers(answer, reference), Grade::kEqual) << answer << " | " << reference;
  }
}

TEST(GradeNumbers, DifferentPairs) {
  for (const auto& [reference, answer] : kDifferentPairs) {
    EXPECT_EQ(GradeNumbers(reference, answer), Grade::kDifferent) << reference << " | " << answer;
    EXPECT_EQ(GradeNumbers(answer, reference), Grade::kDifferent) << answer << " | " << reference;
  }
}

TEST(GradeNumbers, EverythingElseIsLeftToOthers) {
  for (const auto text : kNoNumbers) {
    EXPECT_EQ(GradeNumbers("5", text), std::nullopt) << text;
    EXPECT_EQ(GradeNumbers(text, "5"), std::nullopt) << text;
  }
  EXPECT_EQ(GradeNumbers("5", std::string(5000, '7')), std::nullopt);
}

TEST(GradeNumbers, AgreesWithIntegerArithmeticOnFractions) {
  for (int a = -12; a <= 12; ++a) {
    for (int b = 1; b <= 9; ++b) {
      for (int c = -12; c <= 12; c += 3) {
        for (int d = 1; d <= 9; d += 2) {
          const std::string left = std::to_string(a) + "/" + std::to_string(b);
          const std::string right = "\\frac{" + std::to_string(c) + "}{" + std::to_string(d) + "}";
          EXPECT_EQ(GradeNumbers(left, right), a * d == c * b ? Grade::kEqual : Grade::kDifferent)
              << left << " | " << right;
        }
      }
    }
  }
}

TEST(GradeTexts, WordsAndDress) {
  EXPECT_EQ(GradeTexts("\\text{Evelyn}", "evelyn"), Grade::kEqual);
  EXPECT_EQ(GradeTexts("Monday", "Tuesday"), Grade::kDifferent);
  EXPECT_EQ(GradeTexts("listen", "silent"), Grade::kDifferent);
  EXPECT_EQ(GradeTexts("$x+1$", "x+1"), Grade::kEqual);
  EXPECT_EQ(GradeTexts("\\left(1,2\\right)", "(1,2)"), Grade::kEqual);
  EXPECT_EQ(GradeTexts("ab", "ba"), std::nullopt);
  EXPECT_EQ(GradeTexts("X", "x"), std::nullopt);
  EXPECT_EQ(GradeTexts("x+1", "1+x"), std::nullopt);
  EXPECT_EQ(GradeTexts("5", ""), Grade::kNotParsed);
  EXPECT_EQ(GradeTexts("5", "$ $"), Grade::kNotParsed);
}

TEST(Undress, EndsOnAnything) {
  EXPECT_EQ(Undress("  $ \\boxed{\\text{ a b }} $. "), "a b");
  EXPECT_EQ(Undress("$"), "$");
  EXPECT_EQ(Undress("$$"), "");
  EXPECT_EQ(Undress("185\\"), "185");
  EXPECT_EQ(Undress("\\boxed{"), "\\boxed{");
  EXPECT_EQ(Undress("\\boxed{1}{2}"), "\\boxed{1}{2}");
}

}  // namespace
}  // namespace orrery::reasoning
