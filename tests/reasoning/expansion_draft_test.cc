// SPDX-License-Identifier: Apache-2.0
#include "reasoning/expansion_draft.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace orrery::reasoning {
namespace {

using Kind = ExpansionDraft::Task::Kind;
using schema::Grade;
using schema::Verdict;

DraftSetting InCode(int samples) { return {.problem = "p", .path = {0, 2}, .samples = samples}; }

Sample CodeSample(std::string text, std::string stop = "<end_of_step>") {
  return {.tokens = 5, .text = std::move(text), .stop = std::move(stop), .log_probability = -1};
}

TEST(ExpansionDraft, MergesEqualTextsAndRunsThemOnce) {
  ExpansionDraft draft(InCode(3));
  const auto first = draft.AddSample(0, CodeSample("x = 1\n"));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->kind, Kind::kRun);
  EXPECT_EQ(first->subject, "x = 1\n");
  EXPECT_FALSE(draft.AddSample(1, CodeSample("x = 1  \n")));  // trailing blanks are no difference
  EXPECT_TRUE(draft.AddSample(2, CodeSample("x = 2\n")));
  EXPECT_FALSE(draft.Complete());
  draft.AddRun(first->text, Verdict::Ok, "", "");
  draft.AddRun("x = 2\n<end_of_step>\n", Verdict::RuntimeError, "", "NameError: y");
  ASSERT_TRUE(draft.Complete());

  const auto record = draft.Finish();
  ASSERT_EQ(record->candidates()->size(), 2U);
  const auto* merged = record->candidates()->Get(0);
  EXPECT_TRUE(merged->valid());
  EXPECT_EQ(merged->merged(), 2);
  EXPECT_EQ(merged->tokens(), 10U);
  const auto* failed = record->candidates()->Get(1);
  EXPECT_FALSE(failed->valid());
  EXPECT_EQ(failed->rejection()->str(), "the program ended with RuntimeError");
  EXPECT_EQ(failed->error()->str(), "NameError: y");
  EXPECT_EQ(record->tokens_generated(), 15U);
  EXPECT_EQ(record->steps_executed(), 2U);
  EXPECT_EQ(record->path()->size(), 2U);
}

TEST(ExpansionDraft, AStepInWordsIsNotRunAndItsAnswerIsGraded) {
  ExpansionDraft draft({.problem = "p", .position = Position::kInWords, .samples = 4});
  EXPECT_FALSE(draft.AddSample(0, {.text = "Add: 2 + 3 = 5.", .stop = "<end_of_step>"}));
  const auto answer = draft.AddSample(1, {.text = "It is \\boxed{5}.", .stop = "<end_of_answer>"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->kind, Kind::kGrade);
  // The model ended its turn: an answer if it holds one, else nothing that could go on.
  EXPECT_FALSE(draft.AddSample(2, {.text = "It is \\boxed{5}.", .ended = true}));
  EXPECT_FALSE(draft.AddSample(3, {.text = "I give up.", .ended = true}));
  draft.AddGrade(answer->text, Grade::Equal);
  ASSERT_TRUE(draft.Complete());
  const auto record = draft.Finish();
  ASSERT_EQ(record->candidates()->size(), 3U);
  EXPECT_EQ(record->candidates()->Get(0)->kind(), schema::StepKind::Words);
  EXPECT_TRUE(record->candidates()->Get(0)->valid());
  EXPECT_EQ(record->candidates()->Get(0)->verdict(), Verdict::NotRun);
  EXPECT_EQ(record->candidates()->Get(1)->merged(), 2);
  EXPECT_EQ(record->candidates()->Get(1)->grade(), Grade::Equal);
  EXPECT_FALSE(record->candidates()->Get(2)->valid());
  EXPECT_EQ(record->steps_executed(), 0U);
}

TEST(ExpansionDraft, CandidatesStandInTheOrderOfSamplingOrOfLikelihoodPerToken) {
  for (const bool likely : {false, true}) {
    auto setting = InCode(4);
    setting.likely_first = likely;
    ExpansionDraft draft(setting);
    // -0.5, -0.25 and -0.25 a token; the last is the first's text again, which keeps the first sample's likelihood.
    for (const auto& [index, text, tokens, sum] : {std::tuple{3, "a = 1\n", 1u, 0.0},
                                                   {2, "c = 1\n", 4u, -1.0},
                                                   {0, "a = 1\n", 2u, -1.0},
                                                   {1, "b = 1\n", 8u, -2.0}})
      draft.AddSample(index, {.tokens = tokens, .text = text, .stop = "<end_of_step>", .log_probability = sum});
    for (const char* name : {"a", "b", "c"})
      draft.AddRun(std::string(name) + " = 1\n<end_of_step>\n", Verdict::Ok, "", "");
    const auto record = draft.Finish();
    std::string order;
    for (const auto* candidate : *record->candidates()) order += candidate->code()->str()[0];
    EXPECT_EQ(order, likely ? "bca" : "abc");
    EXPECT_EQ(record->tokens_generated(), 15u);
  }
}

TEST(ExpansionDraft, GoesOnWithMoreSamplesWhereNoneWasValid) {
  ExpansionDraft draft(InCode(2));
  const auto bad = draft.AddSample(0, CodeSample("x = y\n"));
  draft.AddSample(1, CodeSample("x = y\n"));
  draft.AddRun(bad->text, Verdict::RuntimeError, "", "NameError");
  ASSERT_TRUE(draft.Complete());
  EXPECT_FALSE(draft.AnyValid());
  draft.Extend(2);
  EXPECT_FALSE(draft.Complete());
  EXPECT_FALSE(draft.AddSample(3, CodeSample("x = y\n"))) << "what is known to fail is not run again";
  const auto good = draft.AddSample(2, CodeSample("y = 1\n"));
  draft.AddRun(good->text, Verdict::Ok, "", "");
  ASSERT_TRUE(draft.Complete());
  EXPECT_TRUE(draft.AnyValid());
  const auto record = draft.Finish();
  ASSERT_EQ(record->candidates()->size(), 2u);
  EXPECT_EQ(record->candidates()->Get(0)->merged(), 3);
  EXPECT_TRUE(record->candidates()->Get(1)->valid());
  EXPECT_EQ(record->tokens_generated(), 20u);
}

TEST(ExpansionDraft, ToleratesFailingStepsInARowUpToTheLimit) {
  for (const int here : {0, 1, 2}) {
    auto setting = InCode(2);
    setting.tolerated_here = here;
    setting.tolerated_limit = 2;
    ExpansionDraft draft(setting);
    const auto step = draft.AddSample(0, CodeSample("x = y\n"));
    const auto last = draft.AddSample(1, CodeSample("print(y)\n", "<end_of_code>"));
    draft.AddRun(step->text, Verdict::RuntimeError, "", "NameError");
    draft.AddRun(last->text, Verdict::RuntimeError, "", "NameError");
    const auto record = draft.Finish();
    EXPECT_EQ(record->candidates()->Get(0)->valid(), here < 2) << here;
    EXPECT_EQ(record->candidates()->Get(0)->tolerated_errors(), here < 2 ? here + 1 : 0);
    EXPECT_FALSE(record->candidates()->Get(1)->valid()) << "a failing last step has no output to answer from";
  }
}

TEST(ExpansionDraft, OnlyRuntimeErrorsAreTolerated) {
  auto setting = InCode(1);
  setting.tolerated_limit = 2;
  for (const Verdict verdict : {Verdict::TimeOut, Verdict::MemoryLimit, Verdict::OutputLimit, Verdict::Signal}) {
    ExpansionDraft draft(setting);
    draft.AddRun(draft.AddSample(0, CodeSample("while True: pass\n"))->text, verdict, "", "");
    EXPECT_FALSE(draft.Finish()->candidates()->Get(0)->valid()) << schema::EnumNameVerdict(verdict);
  }
}

TEST(ExpansionDraft, AProgramMustPrintSomething) {
  for (const std::string before : {"", "12\n"}) {
    auto setting = InCode(1);
    setting.printed = before;
    ExpansionDraft draft(setting);
    draft.AddRun(draft.AddSample(0, CodeSample("x = 1\n", "<end_of_code>"))->text, Verdict::Ok, " \n", "");
    EXPECT_EQ(draft.Finish()->candidates()->Get(0)->valid(), !before.empty());
  }
}

TEST(ExpansionDraft, AnAnswerThatCouldNotBeComparedIsNoEnd) {
  for (const Grade grade : {Grade::Equal, Grade::Different, Grade::NotParsed, Grade::TimeOut}) {
    auto setting = InCode(1);
    setting.position = Position::kAfterOutput;
    ExpansionDraft draft(setting);
    const auto task = draft.AddSample(0, CodeSample("So it is \\boxed{4}\n", "<end_of_answer>"));
    ASSERT_TRUE(task);
    EXPECT_EQ(task->kind, Kind::kGrade);
    EXPECT_EQ(task->subject, "4");
    draft.AddGrade(task->text, grade);
    const auto record = draft.Finish();
    EXPECT_EQ(record->candidates()->Get(0)->valid(), grade == Grade::Equal || grade == Grade::Different)
        << schema::EnumNameGrade(grade);
    EXPECT_EQ(record->steps_executed(), 0U);
  }
}

TEST(ExpansionDraft, AnEndedTurnEndsAnAnswerButNoProgram) {
  auto setting = InCode(1);
  setting.position = Position::kAfterOutput;
  ExpansionDraft answer(setting);
  EXPECT_TRUE(answer.AddSample(0, {.tokens = 4, .text = "\\boxed{4}", .stop = "", .ended = true}));
  ExpansionDraft code(InCode(1));
  EXPECT_FALSE(code.AddSample(0, {.tokens = 4, .text = "print(4)", .stop = "", .ended = true}));
  EXPECT_FALSE(code.Finish()->candidates()->Get(0)->valid());
}

TEST(ExpansionDraft, ARepeatedStepIsNoStep) {
  auto setting = InCode(1);
  setting.last_step = "x = 1\n<end_of_step>\n";
  ExpansionDraft draft(setting);
  EXPECT_FALSE(draft.AddSample(0, CodeSample("x = 1\n")));
  EXPECT_EQ(draft.Finish()->candidates()->Get(0)->rejection()->str(), "repeats the step before it");
}

TEST(ExpansionDraft, TheOrderOfArrivalLeavesNoTrace) {
  const std::vector<std::string> texts = {"a = 1\n", "b = 1\n", "a = 1\n", "```\n", "c = 3\n", "b = 1\n"};
  std::string expected;
  std::mt19937 dice(1);
  for (int round = 0; round < 50; ++round) {
    std::vector<int> order(texts.size());
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), dice);
    ExpansionDraft draft(InCode(static_cast<int>(texts.size())));
    std::vector<std::string> tasks;
    for (const int i : order) {
      Sample sample = CodeSample(texts[static_cast<size_t>(i)]);
      sample.log_probability = -i;
      if (const auto task = draft.AddSample(i, sample)) tasks.push_back(task->text);
      if (dice() % 2 == 0 && !tasks.empty()) {
        draft.AddRun(tasks.back(), Verdict::Ok, "out of " + tasks.back(), "");
        tasks.pop_back();
      }
    }
    std::shuffle(tasks.begin(), tasks.end(), dice);
    for (const auto& text : tasks) draft.AddRun(text, Verdict::Ok, "out of " + text, "");
    ASSERT_TRUE(draft.Complete());
    const auto record = draft.Finish();
    if (expected.empty()) expected = record.bytes();
    ASSERT_EQ(record.bytes(), expected) << "round " << round;
  }
}

}  // namespace
}  // namespace orrery::reasoning
