// SPDX-License-Identifier: Apache-2.0
#include "reasoning/verifier.h"

#include <gtest/gtest.h>

#include "base/paths.h"
#include "sandbox/sandbox.h"

namespace orrery::reasoning {
namespace {

class Checkers : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto started =
        sandbox::Sandbox::Start({.python = PythonEnvironment(), .wall_seconds = 20, .packages = "mpmath sympy"});
    ASSERT_TRUE(started.ok()) << started.status();
    sandbox_ = std::move(*started).release();
  }
  static void TearDownTestSuite() { delete sandbox_; }

  static schema::Verdict VerdictOf(const sandbox::StepResult& result) {
    switch (result.verdict) {
      case sandbox::Verdict::kOk: return schema::Verdict::Ok;
      case sandbox::Verdict::kRuntimeError: return schema::Verdict::RuntimeError;
      default: return schema::Verdict::Internal;
    }
  }
  static sandbox::StepResult Run(const std::string& code) { return sandbox_->Run({{}, {code, 1}}); }
  static schema::Grade Judge(const std::string& checker, const Submission& submission) {
    return GradeOf(VerdictOf(Run(CheckerCode(checker, submission))));
  }

  static sandbox::Sandbox* sandbox_;
};
sandbox::Sandbox* Checkers::sandbox_ = nullptr;

TEST_F(Checkers, JudgeByWhatTheyRaise) {
  const std::string checker = "assert int(answer) ** 2 == 49";
  EXPECT_EQ(Judge(checker, {.answer = "7"}), schema::Grade::Equal);
  EXPECT_EQ(Judge(checker, {.answer = "-7"}), schema::Grade::Equal);
  EXPECT_EQ(Judge(checker, {.answer = "8"}), schema::Grade::Different);
  EXPECT_EQ(Judge(checker, {.answer = "seven"}), schema::Grade::Different);
  EXPECT_EQ(Judge("import sympy\nassert sympy.sympify(answer).is_prime", {.answer = "2**3 - 1"}), schema::Grade::Equal);
}

TEST_F(Checkers, SeeAnswerOutputAndProgramAsTheyAre) {
  const std::string strange = "\"quoted\" \\boxed{1}\n\ttab \xE2\x88\x91 \xF0\x9F\x98\x80 '''";
  const std::string echo =
      "print(len(answer), answer == output, program.count('\\n'))\nnames = {}\nexec(program, names)\nassert "
      "names['f'](3) "
      "== 9";
  const auto result =
      Run(CheckerCode(echo, {strange, strange, {"# one\ndef f(x):\n    return x * x", "print('two')"}}));
  EXPECT_EQ(result.verdict, sandbox::Verdict::kOk) << result.error;
  EXPECT_EQ(result.output, "31 True 4\ntwo\n");
}

TEST_F(Checkers, AProgramThatPatchesItsInterpreterReachesNoChecker) {
  // What the program did is text here: the checker's own interpreter never ran it.
  const Submission submission{.answer = "8", .program = {"import builtins\nbuiltins.int = lambda text: 7"}};
  EXPECT_EQ(Judge("assert int(answer) == 7", submission), schema::Grade::Different);
}

TEST_F(Checkers, AreCompiledBeforeTheSearch) {
  std::vector<Problem> problems(3);
  EXPECT_EQ(CompileCheckersCode(problems, 0, 3), "");
  problems[0] = {.id = "good", .checker = "assert answer"};
  problems[2] = {.id = "bad's", .checker = "assert ="};
  EXPECT_EQ(Run(CompileCheckersCode(problems, 0, 2)).verdict, sandbox::Verdict::kOk);
  const auto result = Run(CompileCheckersCode(problems, 0, 3));
  EXPECT_EQ(result.verdict, sandbox::Verdict::kRuntimeError);
  EXPECT_EQ(result.error.rfind("SystemExit: problem bad's: its checker is no Python: invalid syntax", 0), 0U)
      << result.error;
}

TEST(Verifier, IsTheCheckerWhereThereIsOne) {
  EXPECT_EQ(VerifierOf({.answer = "1"}), Verifier::kComparison);
  EXPECT_EQ(VerifierOf({.answer = "1", .checker = "pass"}), Verifier::kChecker);
}

TEST(Verifier, WhatDependsOnTheMachineSaysNothingOfTheAnswer) {
  using schema::Grade, schema::Verdict;
  const std::pair<Verdict, Grade> cases[] = {
      {Verdict::Ok, Grade::Equal},         {Verdict::RuntimeError, Grade::Different},
      {Verdict::Signal, Grade::Different}, {Verdict::OutputLimit, Grade::Different},
      {Verdict::TimeOut, Grade::TimeOut},  {Verdict::MemoryLimit, Grade::NotParsed},
      {Verdict::Internal, Grade::Failed}};
  for (const auto& [verdict, grade] : cases) EXPECT_EQ(GradeOf(verdict), grade) << schema::EnumNameVerdict(verdict);
}

}  // namespace
}  // namespace orrery::reasoning
