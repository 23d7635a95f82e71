// SPDX-License-Identifier: Apache-2.0
#include "tests/runners/small_campaign.h"

#include <gtest/gtest.h>

#include <sstream>

#include "actors/system.h"
#include "base/paths.h"
#include "tests/actors/scripted_engine.h"

namespace orrery {
namespace {

std::string ConfigOf(const SmallCampaign& campaign) {
  const search::Rules& rules = campaign.rules;
  const nlohmann::ordered_json config = {
      {"run", {{"seed", campaign.seed}}},
      {"search",
       {{"rollouts", rules.rollouts},
        {"extra_rollouts_when_unsolved", rules.extra_rollouts_when_unsolved},
        {"candidates", rules.candidates},
        {"max_depth", rules.max_depth},
        {"wave", rules.wave},
        {"exploration", rules.exploration},
        {"unvisited", rules.unvisited == search::Unvisited::kInfinite ? "infinite" : "zero"},
        {"dead_end", rules.dead_end == search::DeadEndBackup::kPath ? "path" : "itself"},
        {"tolerated_errors", rules.tolerated_errors},
        {"resamples", rules.resamples}}}};
  return config.dump(2);
}

std::shared_ptr<const std::vector<reasoning::Problem>> ProblemsOf(const SmallCampaign& campaign) {
  auto problems = std::make_shared<std::vector<reasoning::Problem>>();
  for (int i = campaign.first; i < campaign.first + campaign.problems; ++i) {
    reasoning::Problem& problem = problems->emplace_back();
    problem.id = "p" + std::to_string(i);
    problem.question = "What?";
    problem.answer = "1";
    if (i >= 5) problem.checker = "assert output.split()[-1] == answer";
    problem.source = i % 2 == 0 ? "even" : "odd";
    problem.level = "level " + std::to_string(i % 3);
    if (i % 4 == 0) problem.licence = "CC0-1.0";
  }
  return problems;
}

}  // namespace

void RunSmallCampaign(const SmallCampaign& campaign) {
  std::filesystem::create_directories(campaign.run);
  ASSERT_TRUE(WriteFileAtomically(campaign.run / "config.json", ConfigOf(campaign)).ok());
  auto opened = store::Store::Open(campaign.run / "store", "fingerprint", "{}");
  ASSERT_TRUE(opened.ok()) << opened.status();
  const std::shared_ptr<store::Store> store = *std::move(opened);
  auto sandbox = sandbox::Sandbox::Start({.python = PythonEnvironment()});
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  auto engine = std::make_shared<ScriptedEngine>(campaign.timing);
  actors::Meters meters;
  auto context = std::make_shared<actors::CampaignContext>();
  context->rules = campaign.rules;
  context->seed = campaign.seed;
  context->context_length = engine->context_length();
  context->tokenizer = &engine->tokenizer();
  context->store = store.get();
  context->meters = &meters;
  const auto outcome = actors::RunCampaign({.context = context,
                                            .problems = ProblemsOf(campaign),
                                            .engine = engine,
                                            .sandboxes = {std::shared_ptr<sandbox::Sandbox>(*std::move(sandbox))},
                                            .graders = {*reasoning::Grader::Create({.python = PythonEnvironment()})},
                                            .store = store,
                                            .telemetry = std::make_shared<actors::Telemetry>(&meters),
                                            .telemetry_file = campaign.run / "telemetry.jsonl",
                                            .live_trees = 8,
                                            .threads = 2},
                                           [] { return false; });
  ASSERT_EQ(outcome.failure, "");
}

std::vector<nlohmann::json> Said::Lines() const {
  std::vector<nlohmann::json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

Said Saying(const std::function<StatusOr<int>()>& subcommand) {
  testing::internal::CaptureStdout();
  const auto ended = subcommand();
  std::fflush(stdout);
  Said said;
  said.text = testing::internal::GetCapturedStdout();
  said.code = ended.value_or(-1);
  if (!ended.ok()) said.text = Message(ended.status());
  return said;
}

}  // namespace orrery
