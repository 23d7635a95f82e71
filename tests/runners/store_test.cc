// SPDX-License-Identifier: Apache-2.0
// store verify: a campaign's recorded steps give the same bytes again, and a record that was changed is found.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "actors/system.h"
#include "base/paths.h"
#include "runners/store_verify.h"
#include "tests/actors/scripted_engine.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;

class StoreVerify : public ::testing::Test {
 protected:
  // One finished campaign: five problems that are compared, three with a checker.
  static void SetUpTestSuite() {
    run_ = fs::path(testing::TempDir()) / ("verified" + std::to_string(getpid()));
    fs::create_directories(run_);
    ASSERT_TRUE(WriteFileAtomically(run_ / "config.json", R"({"run": {"seed": 9}})").ok());
    auto problems = std::make_shared<std::vector<reasoning::Problem>>();
    for (int i = 0; i < 8; ++i) {
      problems->push_back({.id = "p" + std::to_string(i), .question = "What?", .answer = "1"});
      if (i >= 5) problems->back().checker = "assert output.split()[-1] == answer";
    }
    auto opened = store::Store::Open(run_ / "store", "fingerprint", "{}");
    ASSERT_TRUE(opened.ok()) << opened.status();
    const std::shared_ptr<store::Store> store = *std::move(opened);
    auto sandbox = sandbox::Sandbox::Start({.python = PythonEnvironment()});
    ASSERT_TRUE(sandbox.ok()) << sandbox.status();
    auto engine = std::make_shared<ScriptedEngine>(3);
    actors::Meters meters;
    auto context = std::make_shared<actors::CampaignContext>();
    context->rules.rollouts = 6;
    context->rules.candidates = 4;
    context->rules.max_depth = 6;
    context->seed = 9;
    context->context_length = engine->context_length();
    context->tokenizer = &engine->tokenizer();
    context->store = store.get();
    context->meters = &meters;
    const auto outcome = actors::RunCampaign({.context = context,
                                              .problems = problems,
                                              .engine = engine,
                                              .sandboxes = {std::shared_ptr<sandbox::Sandbox>(*std::move(sandbox))},
                                              .graders = {*reasoning::Grader::Create({.python = PythonEnvironment()})},
                                              .store = store,
                                              .telemetry = std::make_shared<actors::Telemetry>(&meters),
                                              .telemetry_file = run_ / "telemetry.jsonl",
                                              .live_trees = 8,
                                              .threads = 2},
                                             [] { return false; });
    ASSERT_EQ(outcome.failure, "");
  }
  static void TearDownTestSuite() { fs::remove_all(run_); }

  // Standard output's lines as JSON, the last one the summary; `code` is what the program would end with.
  static std::vector<nlohmann::json> Verify(runners::VerifyOptions options, int* code) {
    options.run = run_;
    options.json = true;
    testing::internal::CaptureStdout();
    const auto ended = runners::VerifyStore(options);
    std::fflush(stdout);
    std::istringstream text(testing::internal::GetCapturedStdout());
    EXPECT_TRUE(ended.ok()) << ended.status();
    *code = ended.value_or(-1);
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  static fs::path run_;
};
fs::path StoreVerify::run_;

TEST_F(StoreVerify, EveryStepGivesTheSameBytes) {
  int code = -1;
  const auto all = Verify({.rerun = true}, &code);
  EXPECT_EQ(code, 0);
  ASSERT_EQ(all.size(), 1U) << all[0];
  EXPECT_EQ(all[0]["trees"], 8);
  EXPECT_EQ(all[0]["different"], 0);
  EXPECT_GT(all[0]["same"], 200);
  const auto some = Verify({.rerun = true, .limit = 2, .sandboxes = 1}, &code);
  EXPECT_EQ(some.back()["trees"], 2);
  EXPECT_LT(some.back()["same"], all.back()["same"]);
  EXPECT_EQ(Verify({}, &code).back()["same"], 0) << "nothing is run where it is not asked for";
}

TEST_F(StoreVerify, AnotherSeedIsNotTheSame) {
  ASSERT_TRUE(WriteFileAtomically(run_ / "config.json", R"({"run": {"seed": 10}})").ok());
  int code = -1;
  const auto lines = Verify({.rerun = true}, &code);
  ASSERT_TRUE(WriteFileAtomically(run_ / "config.json", R"({"run": {"seed": 9}})").ok());
  EXPECT_EQ(code, 1);
  EXPECT_GT(lines.back()["different"], 0) << "steps that draw at random print other numbers";
  EXPECT_EQ(lines.front()["field"], "output");
}

TEST_F(StoreVerify, WhatWasChangedIsFound) {
  {
    auto store = store::Store::Open(run_ / "store", "fingerprint", "{}");
    ASSERT_TRUE(store.ok()) << store.status();
    std::string problem, bytes;
    ASSERT_TRUE((*store)
                    ->ForEachTree([&](std::string_view key, const store::TreeChunk& tree) {
                      for (const auto* expansion : *tree->expansions()) {
                        for (const auto* candidate : *expansion->candidates()) {
                          if (candidate->output()->size() != 2) continue;  // "1\n"
                          problem = key;
                          bytes = tree.bytes();
                          const auto at =
                              reinterpret_cast<const char*>(candidate->output()->data()) - tree.bytes().data();
                          bytes[static_cast<size_t>(at)] = '7';
                          return false;
                        }
                      }
                      return true;
                    })
                    .ok());
    ASSERT_FALSE(bytes.empty());
    auto changed = store::TreeChunk::Verified(bytes);
    ASSERT_TRUE(changed.ok()) << changed.status();
    (*store)->PutTree(problem, *changed);
    ASSERT_TRUE((*store)->Commit().ok());
  }
  int code = -1;
  const auto lines = Verify({.rerun = true}, &code);
  EXPECT_EQ(code, 1);
  ASSERT_GE(lines.size(), 2U);
  EXPECT_EQ(lines[0]["field"], "output");
  EXPECT_EQ(lines[0]["recorded"], "7\n");
}

TEST(StoreVerifyInput, WhatIsNotThereIsNamed) {
  EXPECT_NE(Message(runners::VerifyStore({.run = "/nowhere"}).status()).find("/nowhere/config.json"),
            std::string::npos);
}

}  // namespace
}  // namespace orrery
