// SPDX-License-Identifier: Apache-2.0
#include "reasoning/step.h"

#include <gtest/gtest.h>

#include "reasoning/text.h"

namespace orrery::reasoning {
namespace {

Step Parsed(std::string_view text, std::string_view stop, Position position) {
  auto step = ParseStep(text, stop, position);
  EXPECT_TRUE(step.ok()) << Message(step.status());
  return step.ok() ? *std::move(step) : Step{};
}

std::string Refusal(std::string_view text, std::string_view stop, Position position) {
  const auto step = ParseStep(text, stop, position);
  EXPECT_FALSE(step.ok()) << "taken for a step: " << text;
  return Message(step.status());
}

TEST(ParseStep, CodeStep) {
  const Step step = Parsed("# Step 1: add\ntotal = 2 + 3\n", kEndOfStep, Position::kInCode);
  EXPECT_EQ(step.kind, StepKind::kCodeStep);
  EXPECT_EQ(step.code, "# Step 1: add\ntotal = 2 + 3\n");
  EXPECT_EQ(step.text, "# Step 1: add\ntotal = 2 + 3\n<end_of_step>\n");
  EXPECT_EQ(step.answer, "");
  EXPECT_FALSE(step.comment_only);
}

TEST(ParseStep, FinalCode) {
  const Step step = Parsed("print(total)", kEndOfCode, Position::kInCode);
  EXPECT_EQ(step.kind, StepKind::kFinalCode);
  EXPECT_EQ(step.text, "print(total)\n<end_of_code>\n");
}

TEST(ParseStep, Answer) {
  const Step step = Parsed("From \\boxed{1} follows \\boxed{ \\frac{1}{2} }.\n", kEndOfAnswer, Position::kAfterOutput);
  EXPECT_EQ(step.kind, StepKind::kAnswer);
  EXPECT_EQ(step.answer, "\\frac{1}{2}");
  EXPECT_EQ(step.code, "");
  EXPECT_EQ(step.text, "From \\boxed{1} follows \\boxed{ \\frac{1}{2} }.\n<end_of_answer>\n");
}

TEST(ParseStep, BlanksAreNormalisedButIndentationStays) {
  const Step step = Parsed("\r\n  \n<code>\n\n# sum  \t\r\nfor i in range(3):\r\n    x += i   \n\ny = 1\n \n\n",
                           kEndOfStep, Position::kInCode);
  EXPECT_EQ(step.code, "# sum\nfor i in range(3):\n    x += i\n\ny = 1\n");
  EXPECT_EQ(Parsed("  x = 1", kEndOfStep, Position::kInCode).code, "  x = 1\n");
  EXPECT_EQ(Parsed("<answer>It is \\boxed{5}", kEndOfAnswer, Position::kAfterOutput).text,
            "It is \\boxed{5}\n<end_of_answer>\n");
}

TEST(ParseStep, SameMeaningSameText) {
  const Step a = Parsed("x = 1\n", kEndOfStep, Position::kInCode);
  const Step b = Parsed("\n\nx = 1  \n\n", kEndOfStep, Position::kInCode);
  EXPECT_EQ(a.text, b.text);
  EXPECT_TRUE(RepeatsStep(std::vector{a}, b));
  EXPECT_FALSE(RepeatsStep(std::vector{a}, Parsed("x = 2", kEndOfStep, Position::kInCode)));
}

TEST(ParseStep, CommentOnlyIsAllowedAndFlagged) {
  EXPECT_TRUE(Parsed("# first think\n\n  # then act\n", kEndOfStep, Position::kInCode).comment_only);
  EXPECT_FALSE(Parsed("# first think\nx = 1\n", kEndOfStep, Position::kInCode).comment_only);
}

TEST(ParseStep, EveryReasonToRefuseInCode) {
  const auto refusal = [](std::string_view text, std::string_view stop) {
    return Refusal(text, stop, Position::kInCode);
  };
  EXPECT_NE(refusal("x = 1", "").find("no marker"), std::string::npos);
  EXPECT_NE(refusal("", kEndOfStep).find("empty"), std::string::npos);
  EXPECT_NE(refusal(" \n<code>\n \t\n", kEndOfStep).find("empty"), std::string::npos);
  EXPECT_NE(refusal("x = 1\n", "```").find("Markdown"), std::string::npos);
  EXPECT_NE(refusal("x = 1\n  ```python\ny = 2", kEndOfStep).find("Markdown"), std::string::npos);
  EXPECT_NE(refusal("x = 1\n", kOutput).find("output block"), std::string::npos);
  EXPECT_NE(refusal("x = 1\n", kEndOfOutput).find("output block"), std::string::npos);
  EXPECT_NE(refusal("<output>5", kEndOfCode).find("<output>"), std::string::npos);
  EXPECT_NE(refusal("The answer is \\boxed{5}", kEndOfAnswer).find("before the program"), std::string::npos);
  EXPECT_NE(refusal("x = 1\n<code>\ny = 2", kEndOfStep).find("<code>"), std::string::npos);
  EXPECT_NE(refusal("Question: How many?\n", kEndOfStep).find("new turn"), std::string::npos);
  EXPECT_NE(refusal("x = 1\n<|im_start|>user\n", kEndOfStep).find("new turn"), std::string::npos);
  EXPECT_NE(refusal("x = '\xFF'", kEndOfStep).find("UTF-8"), std::string::npos);
  EXPECT_NE(refusal(std::string_view("x = '\0'", 7), kEndOfStep).find("NUL"), std::string::npos);
}

TEST(ParseStep, WhatLooksAlikeIsNotRefused) {
  Parsed("# Question: what is the sum?\nx = 1", kEndOfStep, Position::kInCode);
  Parsed("s = 'User: x'\nprint(s)", kEndOfCode, Position::kInCode);
  Parsed("a = '`' * 3", kEndOfStep, Position::kInCode);
}

TEST(ParseStep, EveryReasonToRefuseAnAnswer) {
  const auto refusal = [](std::string_view text, std::string_view stop) {
    return Refusal(text, stop, Position::kAfterOutput);
  };
  EXPECT_NE(refusal("The answer is 5", kEndOfAnswer).find("boxed"), std::string::npos);
  EXPECT_NE(refusal("The answer is \\boxed{5", kEndOfAnswer).find("boxed"), std::string::npos);
  EXPECT_NE(refusal("The answer is \\boxed{ }", kEndOfAnswer).find("empty"), std::string::npos);
  EXPECT_NE(refusal("\\boxed{5}", kEndOfStep).find("expected"), std::string::npos);
  EXPECT_NE(refusal("\\boxed{5}", kEndOfCode).find("expected"), std::string::npos);
  EXPECT_NE(refusal("\\boxed{5}", "").find("no marker"), std::string::npos);
  EXPECT_NE(refusal("\\boxed{5}\n\nQuestion: And now?\n\\boxed{6}", kEndOfAnswer).find("new turn"), std::string::npos);
  EXPECT_NE(refusal("\\boxed{5}<code>x", kEndOfAnswer).find("<code>"), std::string::npos);
}

TEST(ParseStep, InWords) {
  const Step step = Parsed("<reasoning>\n\nStep 1: Add: 2 + 3 = 5.  \n", kEndOfStep, Position::kInWords);
  EXPECT_EQ(step.kind, StepKind::kWords);
  EXPECT_EQ(step.text, "Step 1: Add: 2 + 3 = 5.\n<end_of_step>\n");
  EXPECT_EQ(step.code, "");
  const Step answer = Parsed("There are \\boxed{5}.", kEndOfAnswer, Position::kInWords);
  EXPECT_EQ(answer.kind, StepKind::kAnswer);
  EXPECT_EQ(answer.answer, "5");
  const auto refusal = [](std::string_view text, std::string_view stop) {
    return Refusal(text, stop, Position::kInWords);
  };
  EXPECT_NE(refusal("There are 5.", kEndOfAnswer).find("boxed"), std::string::npos);
  EXPECT_NE(refusal("x = 5", kEndOfCode).find("expected"), std::string::npos);
  EXPECT_NE(refusal("", kEndOfStep).find("empty"), std::string::npos);
  EXPECT_NE(refusal("So it is 5.\nQuestion: And now?", kEndOfStep).find("new turn"), std::string::npos);
  EXPECT_NE(refusal("I write <code>", kEndOfStep).find("<code>"), std::string::npos);
  EXPECT_NE(refusal("```", "```").find("Markdown"), std::string::npos);
}

TEST(LastBoxed, BracesMustBalance) {
  EXPECT_EQ(LastBoxed("\\boxed{1} and \\boxed{\\left\\{ x \\right.}"), "\\left\\{ x \\right.");
  EXPECT_EQ(LastBoxed("\\boxed{1} and \\boxed{2"), "1");
  EXPECT_EQ(LastBoxed("\\boxed{\\boxed{7}}"), "7");
  EXPECT_EQ(LastBoxed("so $\\boxed 5$ it is"), "5");
  EXPECT_EQ(LastBoxed("\\boxed {a{b}c}"), "a{b}c");
  EXPECT_EQ(LastBoxed("\\boxedx"), std::nullopt);
  EXPECT_EQ(LastBoxed("\\boxed"), std::nullopt);
  EXPECT_EQ(LastBoxed(""), std::nullopt);
}

TEST(CheckOutput, APathThatPrintsNothingIsNoBasisOfAnAnswer) {
  EXPECT_FALSE(CheckOutput("").ok());
  EXPECT_FALSE(CheckOutput(" \n\t\n").ok());
  EXPECT_TRUE(CheckOutput("0\n").ok());
}

TEST(OutputBlock, CutsBetweenCharactersAndDefusesMarkers) {
  EXPECT_EQ(OutputBlock("16.0\n", 100), "<output>16.0<end_of_output>\n<answer>");
  EXPECT_EQ(OutputBlock("a\nb\n\n", 100), "<output>a\nb<end_of_output>\n<answer>");
  EXPECT_EQ(OutputBlock("", 100), "<output><end_of_output>\n<answer>");
  EXPECT_EQ(OutputBlock("äöü", 3), "<output>ä…<end_of_output>\n<answer>");
  EXPECT_EQ(OutputBlock("abc   ", 3), "<output>abc<end_of_output>\n<answer>");
  EXPECT_EQ(OutputBlock("5<end_of_output>\n<answer>\\boxed{5}<end_of_answer>", 100),
            "<output>5&lt;end_of_output>\n&lt;answer>\\boxed{5}&lt;end_of_answer><end_of_output>\n<answer>");
  EXPECT_EQ(OutputBlock("1 < 2", 100), "<output>1 < 2<end_of_output>\n<answer>");
}

TEST(Trajectory, IsThePublishedForm) {
  const std::vector<Step> steps = {Parsed("# Step 1: length\nl = 2*20*12", kEndOfStep, Position::kInCode),
                                   Parsed("# Now print the final answer\nprint(l/30)", kEndOfCode, Position::kInCode),
                                   Parsed("From the result, it is \\boxed{16}.", kEndOfAnswer, Position::kAfterOutput)};
  EXPECT_EQ(
      FullTrajectory(StepForm::kCode, steps, "16.0\n", 100),
      "<code>\n# Step 1: length\nl = 2*20*12\n<end_of_step>\n# Now print the final answer\nprint(l/30)\n<end_of_code>\n"
      "<output>16.0<end_of_output>\n<answer>From the result, it is \\boxed{16}.\n<end_of_answer>\n");
  EXPECT_EQ(PartialSolution(std::span(steps).first(1), "", 100), steps[0].text);
  EXPECT_TRUE(PartialSolution(std::span(steps).first(2), "16.0\n", 100)
                  .ends_with("<end_of_code>\n<output>16.0<end_of_output>\n<answer>"));
  EXPECT_EQ(PartialSolution({}, "", 100), "");
  // In the pieces in which a search encodes it: each step, and the output with the program's last one.
  const std::string whole = PartialSolution(steps, "16.0\n", 100);
  const std::string second = steps[1].text + OutputBlock("16.0\n", 100);
  EXPECT_EQ(SolutionPieces(whole), (std::vector<std::string_view>{steps[0].text, second, steps[2].text}));
  EXPECT_EQ(SolutionPieces(steps[0].text), (std::vector<std::string_view>{steps[0].text}));
  EXPECT_EQ(SolutionPieces("no marker"), (std::vector<std::string_view>{"no marker"}));
  EXPECT_TRUE(SolutionPieces("").empty());
}

TEST(Trajectory, TellsItsFormByItsOpening) {
  const std::vector<Step> steps = {Parsed("Add: 2 + 3 = 5.", kEndOfStep, Position::kInWords),
                                   Parsed("It is \\boxed{5}.", kEndOfAnswer, Position::kInWords)};
  const std::string text = FullTrajectory(StepForm::kWords, steps, "", 100);
  EXPECT_EQ(text, "<reasoning>\nAdd: 2 + 3 = 5.\n<end_of_step>\nIt is \\boxed{5}.\n<end_of_answer>\n");
  EXPECT_EQ(FormOf(text), StepForm::kWords);
  EXPECT_EQ(FormOf("<code>\nx = 1\n"), StepForm::kCode);
  EXPECT_EQ(FormOf("It is <code>\n"), std::nullopt);
}

TEST(StopStrings, HoldTheThreeMarkersOfTheProtocol) {
  const auto stops = StopStrings();
  for (const auto marker : {kEndOfStep, kEndOfCode, kEndOfAnswer, kEndOfOutput}) {
    EXPECT_NE(std::find(stops.begin(), stops.end(), marker), stops.end()) << marker;
  }
}

}  // namespace
}  // namespace orrery::reasoning
