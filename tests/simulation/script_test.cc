// SPDX-License-Identifier: Apache-2.0

// What a simulated policy writes is a step of the real grammar, and what follows it is read back from tokens alone.

#include "simulation/script.h"

#include <gtest/gtest.h>

#include "reasoning/step.h"
#include "tests/simulation/made_profile.h"

namespace orrery::simulation {
namespace {

using reasoning::Position;

SampleDraw Sample(Kind kind, bool right) { return {.kind = kind, .text = 42, .tokens = 30, .right = right}; }

TEST(Script, StepsAreOfTheGrammarAndOfTheirLength) {
  const Place code{.key = 1, .node = 2, .depth = 3}, answer{.key = 1, .node = 2, .depth = 4, .after_output = true};
  const Script step = Write(Sample(Kind::kStep, false), code, 4);
  const auto parsed = reasoning::ParseStep(step.text, step.stop, Position::kInCode);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->kind, reasoning::StepKind::kCodeStep);
  EXPECT_NEAR(static_cast<double>(step.text.size() + step.stop.size()), 120, 4);
  EXPECT_EQ(Printed(parsed->code), "");

  const Script failing = Write(Sample(Kind::kFailed, false), code, 4);
  EXPECT_EQ(Printed(reasoning::ParseStep(failing.text, failing.stop, Position::kInCode)->code), std::nullopt);

  for (const bool right : {true, false}) {
    const Script last = Write(Sample(Kind::kFinal, right), code, 4);
    const auto program = reasoning::ParseStep(last.text, last.stop, Position::kInCode);
    ASSERT_TRUE(program.ok()) << program.status();
    EXPECT_EQ(program->kind, reasoning::StepKind::kFinalCode);
    EXPECT_EQ(Printed(program->code)->starts_with(right ? "right " : "wrong "), true);

    const Script said = Write(Sample(Kind::kAnswer, right), answer, 4);
    const auto end = reasoning::ParseStep(said.text, said.stop, Position::kAfterOutput);
    ASSERT_TRUE(end.ok()) << end.status();
    EXPECT_EQ(IsRight(end->answer), right);
  }
  EXPECT_FALSE(reasoning::ParseStep(Write(Sample(Kind::kLost, false), code, 4).text, "", Position::kInCode).ok());
}

TEST(Script, APromptTellsWhereItEnds) {
  const SimulatedTokenizer tokenizer;
  const auto plain = model::SpecialTokens::kPlain;
  const auto append = [&](std::vector<model::TokenId>* prompt, const std::string& text) {
    const auto more = tokenizer.EncodeContinuation(text, plain);
    prompt->insert(prompt->end(), more.begin(), more.end());
  };
  std::vector<model::TokenId> prompt;
  append(&prompt, "A question with #~ in it? <code>\n");
  EXPECT_EQ(PlaceAtEnd(prompt, 9).depth, 0);
  EXPECT_EQ(PlaceAtEnd(prompt, 9).node, 0U);
  EXPECT_EQ(PlaceAtEnd(prompt, 9).key, 9U);

  const Script first = Write(Sample(Kind::kStep, false), {.key = 9}, 4);
  append(&prompt, reasoning::ParseStep(first.text, first.stop, Position::kInCode)->text);
  const Place second = PlaceAtEnd(prompt, 9);
  EXPECT_EQ(second.depth, 1);
  EXPECT_FALSE(second.after_output);

  for (const bool right : {true, false}) {
    auto whole = prompt;
    const Script last = Write(Sample(Kind::kFinal, right), second, 4);
    const auto step = reasoning::ParseStep(last.text, last.stop, Position::kInCode);
    append(&whole, step->text + reasoning::OutputBlock(*Printed(step->code), 100));
    const Place end = PlaceAtEnd(whole, 9);
    EXPECT_EQ(end.depth, 2);
    EXPECT_TRUE(end.after_output);
    EXPECT_EQ(end.right, right);
    EXPECT_NE(end.node, second.node);
  }
}

TEST(Script, TokensAreTheirText) {
  const SimulatedTokenizer tokenizer;
  for (const std::string text : {"", "a", "abcd", "abcde", "Größe 12 €\n"})
    EXPECT_EQ(tokenizer.Decode(tokenizer.Encode(text, model::SpecialTokens::kPlain)), text);
}

}  // namespace
}  // namespace orrery::simulation
