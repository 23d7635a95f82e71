// SPDX-License-Identifier: Apache-2.0
// Two rounds of evolution as a user runs them, on a real model that was taught three problems first, rightly and
// wrongly, so that its search finds something to learn and something to prefer; a kill in the middle changes nothing;
// the second search asks the first round's preference model; and an evaluation tells what was trained on.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/paths.h"
#include "tests/fresh.h"
#include "tests/runners/program.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::HasSubstr;

std::string QuestionOf(int number) {
  return "Ida has " + std::to_string(number) + " pears and eats 2. How many are left?";
}

fs::path Problems(const std::string& name, const std::vector<int>& numbers) {
  fs::path path = FreshPath(name);
  std::ofstream file(path);
  for (const int number : numbers)
    file << Json{{"question", QuestionOf(number)}, {"answer", std::to_string(number - 2)}}.dump() << "\n";
  return path;
}

std::vector<std::string> WithSettings(std::vector<std::string> arguments, const std::vector<std::string>& settings) {
  for (const std::string& setting : settings) arguments.insert(arguments.end(), {"--set", setting});
  return arguments;
}

// What a file teaches of a question: to take the two pears away, or to add them, in words that differ enough for a
// pair.
Json Lesson(int number, bool right) {
  const std::string asked = std::to_string(number - 2), left = std::to_string(right ? number - 2 : number + 2);
  return {{"problem", asked},
          {"question", QuestionOf(number)},
          {"prompt", QuestionOf(number)},
          {"completion", "<code>\n# Step 1: " +
                             (right ? "What is left\nprint(" + std::to_string(number) + " - "
                                    : "She puts two more pears beside them\nprint(" + std::to_string(number) + " + ") +
                             "2)\n<end_of_code>\n<output>" + left + "<end_of_output>\n<answer>\\boxed{" + left +
                             "}\n<end_of_answer>\n"}};
}

// smollm2-135m-instruct, which solves nothing by itself, after it has learnt by heart what to do with pears.
class Evolve : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const fs::path data = FreshPath("by_heart.jsonl"), out = FreshPath("base");
    std::ofstream file(data);
    for (const int number : {7, 9, 30}) {
      for (const bool right : {true, false}) file << Lesson(number, right).dump() << "\n";
    }
    file.close();
    const Ended trained = RunProgram(
        "runners/train", WithSettings({"--model=smollm2-135m-instruct", "--out=" + out.string()},
                                      {"train.data=" + data.string(), "train.epochs=12", "train.batch=6",
                                       "train.rate=3e-4", "train.decay=0", "train.validation=0", "train.rows=512",
                                       "train.max_tokens=160", "train.schedule=constant"}));
    ASSERT_EQ(trained.code, 0) << trained.errors;
    base_ = (out / "model").string();
    FreshPaths().clear();  // the model is every test's
  }

  void TearDown() override { RemoveFreshPaths(); }

  // It has learnt right and wrong by heart, and which of them it likes better is the processor's rounding: so many
  // samples, at this temperature, hold both.
  static std::vector<std::string> Arguments(const fs::path& out, const fs::path& problems, const fs::path& test) {
    return WithSettings(
        {"--model=" + base_, "--problems=" + problems.string(), "--out=" + out.string()},
        {"evolve.rounds=2", "evolve.ppm_from=0", "evolve.presets=paper-r1", "evolve.test_file=" + test.string(),
         "evaluate.methods=greedy,sample,beam", "evaluate.samples=2", "search.prompt=fine_tuned", "search.rollouts=4",
         "search.candidates=4", "search.max_step_tokens=48", "search.max_total_tokens=120", "search.temperature=1",
         "train.epochs=1", "train.batch=2", "train.rows=512", "train.max_tokens=160", "train.validation=0"});
  }

  static Json Evolution(const fs::path& out) { return Json::parse(ReadFile(out / "evolution.json").value()); }

  static inline std::string base_;
};

TEST_F(Evolve, GoesOnAfterAKillWithTheSameRounds) {
  const fs::path problems = Problems("problems.jsonl", {7, 9, 30}), test = Problems("test.jsonl", {8, 12});
  const fs::path whole = FreshPath("whole"), killed = FreshPath("killed");
  const Ended first = RunProgram("runners/evolve", Arguments(whole, problems, test));
  ASSERT_EQ(first.code, 0) << first.errors;
  const Json rounds = Evolution(whole)["rounds"];
  ASSERT_EQ(rounds.size(), 3U);
  EXPECT_TRUE(rounds[0]["campaign"].is_null()) << "the base model";
  EXPECT_EQ(rounds[0]["test"]["costs"]["sample"]["questions"], 2);
  for (const Json& round : {rounds[1], rounds[2]}) {
    EXPECT_GT(round["campaign"]["solved"], 0) << "it knows them by heart";
    EXPECT_GT(round["policy"]["learnt"], 0);
    EXPECT_EQ(round["test"]["measures"][0]["measure"], "pass@1");
    EXPECT_EQ(round["test"]["costs"]["sample"]["questions"], 2);
    EXPECT_FALSE(round["test"]["costs"].contains("beam")) << "no preference model, no beam";
  }
  EXPECT_EQ(rounds[1]["policy"]["base"], rounds[2]["policy"]["base"]) << "every policy is trained from the base model";
  EXPECT_THAT(ReadFile(whole / "evolution.md").value(), HasSubstr("training: greedy, against the round before"));

  const Ended ended = RunProgram("runners/evolve", Arguments(killed, problems, test), {}, [&](int pid) {
    // The training has begun, and not come to its first step: its few steps may be over at the next look.
    if (fs::exists(killed / "round-1" / "policy")) kill(pid, SIGKILL);
  });
  ASSERT_EQ(ended.code, -SIGKILL) << ended.errors;
  auto briefly = Arguments(killed, problems, test);
  briefly.emplace_back("--max-hours=1e-7");  // no step fits into it, however fast the machine
  const Ended stopped = RunProgram("runners/evolve", briefly);
  EXPECT_EQ(stopped.code, 0);
  EXPECT_THAT(stopped.errors, HasSubstr("stopped by run.max_hours"));
  EXPECT_FALSE(fs::exists(killed / "round-1" / "policy" / "model")) << "a part of a training is none";
  const Ended second = RunProgram("runners/evolve", Arguments(killed, problems, test));
  ASSERT_EQ(second.code, 0) << second.errors;
  const Json again = Evolution(killed)["rounds"];
  for (size_t round = 1; round <= 2; ++round) {
    EXPECT_EQ(again[round]["campaign"]["digest"], rounds[round]["campaign"]["digest"]) << "round " << round;
    EXPECT_EQ(again[round]["test"]["costs"]["sample"]["digest"], rounds[round]["test"]["costs"]["sample"]["digest"]);
  }
}

TEST_F(Evolve, TheSecondSearchAsksTheFirstRoundsPreferenceModel) {
  const fs::path problems = Problems("pears.jsonl", {7, 9, 30}), test = Problems("pears_test.jsonl", {8, 12});
  const fs::path out = FreshPath("preferring");
  const Ended ended = RunProgram(
      "runners/evolve", WithSettings(Arguments(out, problems, test),
                                     {"evolve.presets=paper-r1,paper-r3", "evolve.ppm_from=2",
                                      "evolve.ppm_trained_from=1", "evolve.ppm_epochs=0", "train.linear_probe=true",
                                      "train.ranking=outputs", "evaluate.methods=greedy,sample"}));
  ASSERT_EQ(ended.code, 0) << ended.errors;
  const Json rounds = Evolution(out)["rounds"];
  EXPECT_GT(rounds[1]["ppm"]["learnt"], 0)
      << "groups of siblings, some of which led to a right answer and some did not";
  EXPECT_EQ(rounds[1]["ppm"]["steps"], 0) << "the row of outputs alone";
  const Json second = Json::parse(ReadFile(out / "round-2" / "campaign" / "config.json").value());
  EXPECT_EQ(second["ppm"]["name"], (out / "round-1" / "ppm" / "model").string());
  EXPECT_EQ(second["search"]["initial_value"], "ppm");
  EXPECT_GT(rounds[2]["campaign"]["solved"], 0);
  std::vector<std::string> measures;
  for (const Json& measure : rounds[1]["test"]["measures"]) measures.push_back(measure["measure"]);
  EXPECT_THAT(measures, testing::IsSupersetOf({"pass@1", "majority@2", "best by score@2"}));
}

TEST_F(Evolve, ASearchThatNoPreferenceModelWouldAnswerIsRefused) {
  const fs::path problems = Problems("unanswered.jsonl", {7});
  const Ended ended = RunProgram("runners/evolve", WithSettings(Arguments(FreshPath("unanswered"), problems, problems),
                                                                {"evolve.ppm_from=2", "evolve.ppm_trained_from=2"}));
  EXPECT_EQ(ended.code, 2);
  EXPECT_THAT(ended.errors, HasSubstr("evolve.ppm_trained_from: expected 1 at most, since round 2 asks"));
}

TEST_F(Evolve, AnEvaluationRefusesWhatWasTrainedOn) {
  const fs::path trained = Problems("trained.jsonl", {7, 9}), test = Problems("tested.jsonl", {9, 12});
  const Ended ended = RunProgram(
      "runners/evaluate",
      WithSettings({"--model=" + base_, "--problems=" + test.string(), "--out=" + FreshPath("told").string()},
                   {"evaluate.trained_on=" + trained.string(), "search.prompt=fine_tuned"}));
  EXPECT_EQ(ended.code, 2);
  EXPECT_THAT(ended.errors, HasSubstr("1 of 2 questions are among the 2"));
  const Ended none =
      RunProgram("runners/evaluate",
                 WithSettings({"--model=" + base_, "--problems=" + test.string(), "--out=" + FreshPath("no").string()},
                              {"evaluate.methods=greedy,search"}));
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.errors, HasSubstr("search needs ppm.name"));
}

}  // namespace
}  // namespace orrery
