// SPDX-License-Identifier: Apache-2.0
// store verify: a campaign's records are as a search leaves them, its steps give the same bytes again, and what was
// changed is found.
#include "store/store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/paths.h"
#include "runners/store_commands/verify.h"
#include "tests/runners/small_campaign.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;

class StoreVerify : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    run_ = fs::path(testing::TempDir()) / ("verified" + std::to_string(getpid()));
    RunSmallCampaign({.run = run_});
  }
  static void TearDownTestSuite() { fs::remove_all(run_); }

  void SetUp() override {
    copy_ = run_.string() + "-copy";
    fs::remove_all(copy_);
    fs::copy(run_, copy_, fs::copy_options::recursive);
  }
  void TearDown() override { fs::remove_all(copy_); }

  // Of the copy; the last line is the summary.
  std::vector<nlohmann::json> Verify(runners::VerifyOptions options, int* code) const {
    options.run = copy_;
    options.json = true;
    const Said said = Saying([&] { return runners::VerifyStore(options); });
    *code = said.code;
    return said.Lines();
  }

  // Writes one tree anew, with what `change` did to its bytes; it returns false until it found something to change.
  void Change(const std::function<bool(const schema::TreeRecord&, std::string* bytes)>& change) const {
    auto store = store::Store::Open(copy_ / "store", "fingerprint", "{}");
    ASSERT_TRUE(store.ok()) << store.status();
    std::string problem, bytes;
    ASSERT_TRUE((*store)
                    ->ForEachTree([&](std::string_view key, const store::TreeChunk& tree) {
                      problem = key;
                      bytes = tree.bytes();
                      // The copy is what is changed: places in it are those of the record beside it.
                      return !change(*flatbuffers::GetRoot<schema::TreeRecord>(bytes.data()), &bytes);
                    })
                    .ok());
    auto changed = store::TreeChunk::Verified(bytes);
    ASSERT_TRUE(changed.ok()) << changed.status();
    (*store)->PutTree(problem, *changed);
    ASSERT_TRUE((*store)->Commit().ok());
  }

  static fs::path run_;
  fs::path copy_;
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
  ASSERT_TRUE(WriteFileAtomically(copy_ / "config.json",
                                  R"({"run": {"seed": 10}, "search": {"candidates": 4, "max_depth": 6}})")
                  .ok());
  int code = -1;
  const auto lines = Verify({.rerun = true}, &code);
  EXPECT_EQ(code, 1);
  EXPECT_GT(lines.back()["different"], 0) << "steps that draw at random print other numbers";
  EXPECT_EQ(lines.front()["field"], "output");
}

TEST_F(StoreVerify, AnOutputThatWasChangedIsFoundByRunningAgain) {
  Change([](const schema::TreeRecord& tree, std::string* bytes) {
    for (const auto* expansion : *tree.expansions()) {
      for (const auto* candidate : *expansion->candidates()) {
        if (candidate->output()->size() != 2) continue;  // "1\n"
        (*bytes)[static_cast<size_t>(reinterpret_cast<const char*>(candidate->output()->data()) - bytes->data())] = '7';
        return true;
      }
    }
    return false;
  });
  int code = -1;
  const auto lines = Verify({.rerun = true}, &code);
  EXPECT_EQ(code, 1);
  ASSERT_GE(lines.size(), 2U);
  EXPECT_EQ(lines[0]["field"], "output");
  EXPECT_EQ(lines[0]["recorded"], "7\n");
}

TEST_F(StoreVerify, AGradeThatWasTurnedIsFoundWithoutRunning) {
  std::string key;
  Change([&](const schema::TreeRecord& tree, std::string* bytes) {
    for (const auto* node : *tree.nodes()) {
      if (node->terminal() != schema::Terminal::Answered) continue;
      const auto* parent = tree.nodes()->Get(static_cast<uint32_t>(node->parent()));
      const auto* candidate =
          tree.expansions()->Get(static_cast<uint32_t>(parent->expansion()))->candidates()->Get(node->candidate());
      const auto other = candidate->grade() == schema::Grade::Equal ? schema::Grade::Different : schema::Grade::Equal;
      // The record lies in `bytes`, which are ours to write.
      auto* table = const_cast<flatbuffers::Table*>(reinterpret_cast<const flatbuffers::Table*>(candidate));
      EXPECT_TRUE(table->SetField(schema::Candidate::VT_GRADE, static_cast<uint8_t>(other), uint8_t{0}));
      key = tree.problem()->str();
      return true;
    }
    return false;
  });
  int code = -1;
  const auto lines = Verify({}, &code);
  EXPECT_EQ(code, 1);
  ASSERT_GE(lines.size(), 2U);
  EXPECT_EQ(lines[0]["problem"], key);
  EXPECT_EQ(lines[0]["field"], "value") << lines[0];  // the rollout's value is no longer that of its end
  EXPECT_EQ(lines.back()["trees"], 8) << "the rest is checked all the same";
}

// Settings of every kind, in which the actors' choices must be those that the record gives again.
TEST(StoreVerifySettings, ChoicesAndValuesAreMadeAgain) {
  struct Case {
    const char* name;
    search::Rules rules;
  };
  const Case cases[] = {
      {"waves", {.rollouts = 13, .candidates = 4, .max_depth = 6, .wave = 4}},
      {"released",
       {.rollouts = 12,
        .candidates = 5,
        .max_depth = 7,
        .unvisited = search::Unvisited::kZero,
        .dead_end = search::DeadEndBackup::kItself,
        .tolerated_errors = 2}},
      {"released_waves",
       {.rollouts = 12,
        .candidates = 3,
        .max_depth = 5,
        .wave = 5,
        .unvisited = search::Unvisited::kZero,
        .dead_end = search::DeadEndBackup::kItself,
        .tolerated_errors = 1}},
      {"extra", {.rollouts = 3, .candidates = 3, .max_depth = 4, .wave = 2, .extra_rollouts_when_unsolved = 5}},
      {"exhausted", {.rollouts = 60, .candidates = 2, .resamples = 1, .max_depth = 3, .wave = 3}},
  };
  for (const Case& one : cases) {
    const fs::path run = fs::path(testing::TempDir()) / (std::string(one.name) + std::to_string(getpid()));
    ASSERT_NO_FATAL_FAILURE(RunSmallCampaign({.run = run, .seed = 11, .rules = one.rules}));
    const Said said = Saying([&] { return runners::VerifyStore({.run = run, .json = true}); });
    EXPECT_EQ(said.code, 0) << one.name << "\n" << said.text;
    EXPECT_EQ(said.Lines().back()["trees"], 8);
    // By other rules the same records are not what a search leaves: the check sees the choices.
    const auto config = ReadFile(run / "config.json").value();
    auto other = nlohmann::json::parse(config);
    other["search"]["exploration"] = 0.01;
    other["search"]["wave"] = one.rules.wave == 1 ? 3 : 1;
    ASSERT_TRUE(WriteFileAtomically(run / "config.json", other.dump()).ok());
    // Where every path is walked before the budget ends, the order alone could differ, and need not.
    const int code = Saying([&] { return runners::VerifyStore({.run = run}); }).code;
    EXPECT_TRUE(code == 1 || std::string_view(one.name) == "exhausted") << one.name;
    fs::remove_all(run);
  }
}

TEST(StoreVerifyInput, WhatIsNotThereIsNamed) {
  EXPECT_NE(Message(runners::VerifyStore({.run = "/nowhere"}).status()).find("/nowhere/config.json"),
            std::string::npos);
}

}  // namespace
}  // namespace orrery
