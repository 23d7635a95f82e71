// SPDX-License-Identifier: Apache-2.0

// Whole campaigns over a scripted engine with the real store, sandbox and grader: the same records come out whatever
// the timing, the number of threads, the moment of a kill; a broken part ends the run with its reason and loses
// nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <thread>

#include "base/paths.h"
#include "store/convert.h"
#include "tests/actors/scene.h"
#include "tests/fresh.h"
#include "tests/sandbox/processes.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;

TEST(Campaign, SameRecordsWhateverTheTimingAndTheThreads) {
  for (const int wave : {1, 4}) {
    Scene first{.folder = FreshFolder("first"), .rules = SmallRules(), .threads = 1, .timing = 1};
    first.rules.wave = wave;
    const auto outcome = Play(first);
    EXPECT_EQ(outcome.done, 12U);
    EXPECT_EQ(outcome.failure, "");
    EXPECT_GT(outcome.solved, 3U);
    const std::string digest = Digest(first.folder);
    for (const int threads : {2, 8}) {
      Scene again = first;
      again.folder = FreshFolder("again" + std::to_string(threads) + "_");
      again.threads = threads;
      again.timing = 100 + static_cast<uint64_t>(threads);
      again.live_trees = threads == 2 ? 3 : 12;
      Play(again);
      EXPECT_EQ(Digest(again.folder), digest) << threads << " threads, waves of " << wave;
    }
  }
}

TEST(Campaign, APreferenceModelValuesEveryStepOnce) {
  Scene scene{.folder = FreshFolder("ppm"), .rules = SmallRules(), .ppm = true};
  scene.rules.scored = true;
  EXPECT_EQ(Play(scene).failure, "");
  auto store = *store::Store::OpenReadOnly(scene.folder / "store");
  uint64_t scored = 0;
  ASSERT_TRUE(store
                  ->ForEachTree([&](std::string_view, const store::TreeChunk& record) {
                    for (const auto* expansion : *record->expansions()) {
                      for (const auto* candidate : *expansion->candidates()) {
                        EXPECT_EQ(candidate->score().has_value(), candidate->valid());
                        scored += candidate->valid() ? 1 : 0;
                      }
                    }
                    search::Tree tree = *store::ToSearchTree(*record);
                    const search::Tree recorded = tree;
                    search::Annotate(&tree, scene.rules);
                    for (size_t i = 0; i < tree.nodes.size(); ++i) {
                      EXPECT_EQ(tree.nodes[i].visits, recorded.nodes[i].visits);
                      EXPECT_EQ(tree.nodes[i].value_sum, recorded.nodes[i].value_sum);
                    }
                    return true;
                  })
                  .ok());
  EXPECT_GT(scored, 100U);
  Scene again = scene;
  again.folder = FreshFolder("ppm_again");
  again.timing = 77;
  again.threads = 1;
  Play(again);
  EXPECT_EQ(Digest(again.folder), Digest(scene.folder));
  Scene without = scene;
  without.folder = FreshFolder("ppm_without");
  without.rules.scored = false;
  Play(without);
  EXPECT_NE(Digest(without.folder), Digest(scene.folder)) << "its values steer the search";
}

TEST(Campaign, AQuestionIsAnsweredByTheScoreAlone) {
  Scene scene{.folder = FreshFolder("answer"), .rules = SmallRules(), .ppm = true};
  scene.rules.scored = true;
  scene.rules.value = search::Value::kScore;
  Play(scene);
  auto store = *store::Store::OpenReadOnly(scene.folder / "store");
  ASSERT_TRUE(store
                  ->ForEachTree([&](std::string_view, const store::TreeChunk& record) {
                    const search::Tree tree = *store::ToSearchTree(*record);
                    for (const auto& rollout : tree.rollouts) {
                      const auto& end = tree.nodes[static_cast<size_t>(rollout.node)];
                      EXPECT_TRUE(end.score.has_value() || end.end != search::End::kAnswered);
                      EXPECT_EQ(rollout.value, end.end == search::End::kAnswered ? end.score.value_or(-9) : -1);
                    }
                    return true;
                  })
                  .ok());
}

TEST(Campaign, SeedsAndRulesMatter) {
  Scene first{.folder = FreshFolder("one"), .rules = SmallRules()};
  Play(first);
  Scene other = first;
  other.folder = FreshFolder("other");
  other.rules.exploration = 0.1;
  Play(other);
  EXPECT_NE(Digest(first.folder), Digest(other.folder));
}

TEST(Campaign, RecordsHoldWhatTheRulesPromise) {
  Scene scene{.folder = FreshFolder("promise"), .rules = SmallRules()};
  Play(scene);
  auto store = *store::Store::OpenReadOnly(scene.folder / "store");
  int trees = 0;
  ASSERT_TRUE(store
                  ->ForEachTree([&](std::string_view, const store::TreeChunk& record) {
                    ++trees;
                    const search::Tree tree = *store::ToSearchTree(*record);
                    EXPECT_TRUE(tree.rollouts.size() == 8 || record->exhausted());
                    EXPECT_EQ(tree.nodes[0].visits, tree.rollouts.size());
                    for (const auto* node : *record->nodes()) {
                      if (node->parent() < 0) continue;
                      const auto* parent = record->nodes()->Get(static_cast<unsigned>(node->parent()));
                      EXPECT_GE(parent->visits(), node->visits());
                      const auto* candidate = record->expansions()
                                                  ->Get(static_cast<unsigned>(parent->expansion()))
                                                  ->candidates()
                                                  ->Get(node->candidate());
                      EXPECT_TRUE(candidate->valid());
                      EXPECT_TRUE(candidate->kind() == schema::StepKind::Answer ||
                                  candidate->verdict() == schema::Verdict::Ok);
                      // One rollout is one new path: no end is reached twice.
                      EXPECT_TRUE(node->terminal() == schema::Terminal::None || node->visits() == 1);
                    }
                    return true;
                  })
                  .ok());
  EXPECT_EQ(trees, 12);
}

// Expansions of the trees that are finished: a campaign that goes on reads their records alone.
uint64_t FinishedExpansions(const fs::path& folder) {
  auto store = store::Store::OpenReadOnly(folder / "store");
  if (!store.ok()) return 0;  // killed before there was one
  uint64_t expansions = 0;
  EXPECT_TRUE((*store)
                  ->ForEachTree([&](std::string_view, const store::TreeChunk& record) {
                    expansions += record->expansions()->size();
                    return true;
                  })
                  .ok());
  return expansions;
}

TEST(Campaign, KilledAtAnyMomentResumesToTheSameRecords) {
  Scene whole{.folder = FreshFolder("whole"), .rules = SmallRules()};
  Play(whole);
  const std::string digest = Digest(whole.folder);
  EXPECT_EQ(FinishedExpansions(whole.folder), MetersOf(whole).search.expansions);
  const std::string program = fs::read_symlink("/proc/self/exe");

  for (const int after_ms : {300, 700, 1200, 1800}) {
    Scene cut = whole;
    cut.folder = FreshFolder("cut" + std::to_string(after_ms) + "_");
    cut.timing = 7;
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      setenv("ORRERY_CHILD_FOLDER", cut.folder.c_str(), 1);
      execl(program.c_str(), program.c_str(), "--gtest_filter=CampaignChild.*", nullptr);
      _exit(127);
    }
    usleep(static_cast<useconds_t>(after_ms) * 1000);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const uint64_t finished = FinishedExpansions(cut.folder);
    std::ofstream(cut.folder / "telemetry.jsonl", std::ios::app) << "{\"seconds\":";  // torn by the kill
    Play(cut);
    EXPECT_THAT(ReadFile(cut.folder / "telemetry.jsonl").value(), testing::HasSubstr("{\"seconds\":\n{\"seconds\":"));
    EXPECT_EQ(Digest(cut.folder), digest) << "killed after " << after_ms << " ms";
    const auto& counts = MetersOf(cut).search;
    EXPECT_EQ(MetersOf(whole).search.expansions, finished + counts.expansions + counts.expansions_recalled)
        << "after " << after_ms << " ms";
  }
}

// Not a test of its own: what the test above kills.
TEST(CampaignChild, RunsUntilItIsKilled) {
  const char* folder = getenv("ORRERY_CHILD_FOLDER");
  if (folder == nullptr) return;
  Scene scene{.folder = folder, .rules = SmallRules(), .timing = 7};
  Play(scene);
}

TEST(Campaign, StoppedInGoodOrderAndExtendedWithoutPayingTwice) {
  Scene whole{.folder = FreshFolder("big"), .rules = SmallRules()};
  whole.rules.rollouts = 12;
  Play(whole);

  Scene parts{.folder = FreshFolder("parts"), .rules = SmallRules()};
  parts.watch = [&] { return MetersOf(parts).search.expansions > 40; };
  const auto stopped = Play(parts);
  EXPECT_TRUE(stopped.stopped);
  EXPECT_EQ(stopped.failure, "");
  const uint64_t paid = MetersOf(parts).search.expansions;

  parts.watch = [] { return false; };
  EXPECT_FALSE(Play(parts).stopped);
  parts.rules.rollouts = 12;
  Play(parts);
  EXPECT_EQ(Digest(parts.folder), Digest(whole.folder));
  EXPECT_EQ(MetersOf(parts).search.expansions, MetersOf(whole).search.expansions);
  EXPECT_LT(paid, MetersOf(whole).search.expansions);
}

TEST(Campaign, ExtraRolloutsGoToTheUnsolvedAlone) {
  Scene scene{.folder = FreshFolder("extra"), .rules = SmallRules()};
  scene.rules.rollouts = 2;
  scene.rules.extra_rollouts_when_unsolved = 5;
  Play(scene);
  auto store = *store::Store::OpenReadOnly(scene.folder / "store");
  int extended = 0;
  ASSERT_TRUE(store
                  ->ForEachTree([&](std::string_view, const store::TreeChunk& record) {
                    bool early = false;
                    for (unsigned i = 0; i < std::min(2U, record->rollouts()->size()); ++i)
                      early = early || record->rollouts()->Get(i)->value() > 0;
                    EXPECT_TRUE(record->exhausted() || record->rollouts()->size() == (early ? 2U : 7U));
                    extended += early ? 0 : 1;
                    return true;
                  })
                  .ok());
  EXPECT_GT(extended, 0);
}

TEST(Campaign, AnEngineThatFailsEndsTheRunWithItsReasonAndResumes) {
  Scene whole{.folder = FreshFolder("sound"), .rules = SmallRules()};
  Play(whole);
  Scene broken = whole;
  broken.folder = FreshFolder("broken");
  broken.fail_after = 20;
  const auto outcome = Play(broken);
  EXPECT_EQ(outcome.failure, "the device fell off the bus");
  EXPECT_LT(outcome.done, 12U);
  broken.fail_after = 0;
  EXPECT_EQ(Play(broken).failure, "");
  EXPECT_EQ(Digest(broken.folder), Digest(whole.folder));
}

TEST(Campaign, AProblemsOwnCheckerJudgesItsAnswers) {
  auto problems = std::make_shared<std::vector<reasoning::Problem>>();
  for (int i = 0; i < 6; ++i) {
    problems->push_back({.id = "c" + std::to_string(i),
                         .question = "What is printed last?",
                         .checker = "assert 'print' in program\nassert answer == output.split()[-1], 'another one'"});
  }
  const Scene scene{.folder = FreshFolder("checker"), .rules = SmallRules(), .given = problems};
  ASSERT_EQ(Play(scene).failure, "");
  auto store = store::Store::OpenReadOnly(scene.folder / "store");
  ASSERT_TRUE(store.ok()) << store.status();
  int right = 0, wrong = 0;
  EXPECT_TRUE((*store)
                  ->ForEachTree([&](std::string_view, const store::TreeChunk& tree) {
                    EXPECT_NE(tree->checker(), nullptr);
                    std::map<store::Path, const schema::Expansion*> expansions;
                    for (const auto* expansion : *tree->expansions()) expansions[store::PathOf(*expansion)] = expansion;
                    for (const auto& [path, expansion] : expansions) {
                      std::string last;  // what the step that led here printed last: a final code's line
                      if (!path.empty()) {
                        const auto& parent = *expansions.at({path.begin(), path.end() - 1});
                        last = parent.candidates()->Get(path.back())->output()->str();
                      }
                      for (const auto* candidate : *expansion->candidates()) {
                        if (candidate->kind() != schema::StepKind::Answer) continue;
                        const bool equal = candidate->answer()->str() + "\n" == last;
                        EXPECT_EQ(candidate->grade() == schema::Grade::Equal, equal) << last;
                        EXPECT_EQ(candidate->error()->str(), equal ? "" : "AssertionError: another one");
                        ++(equal ? right : wrong);
                      }
                    }
                    return true;
                  })
                  .ok());
  EXPECT_GT(right, 0);
  EXPECT_GT(wrong, 0);
}

TEST(Campaign, ASupervisorThatDiesUnderItChangesNothing) {
  Scene quiet{.folder = FreshFolder("quiet"), .rules = SmallRules()};
  ASSERT_EQ(Play(quiet).failure, "");
  Scene troubled{.folder = FreshFolder("troubled"), .rules = SmallRules()};
  // Fewer deaths than a step has tries.
  std::atomic<bool> over = false;
  int deaths = 0;
  std::thread killer([&] {
    while (!over && deaths < 3) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      const auto supervisors = sandbox::Descendants("supervisor");
      if (supervisors.empty()) continue;
      deaths += kill(supervisors[0], SIGKILL) == 0;
    }
  });
  EXPECT_EQ(Play(troubled).failure, "");
  over = true;
  killer.join();
  EXPECT_GT(deaths, 0);
  EXPECT_EQ(Digest(troubled.folder), Digest(quiet.folder));
}

TEST(Campaign, NoActorIsLeftBehind) {
  Scene scene{.folder = FreshFolder("left"), .rules = SmallRules()};
  Play(scene);
  for (size_t kind = 0; kind < actors::kKinds; ++kind) {
    EXPECT_EQ(MetersOf(scene).kinds[kind].live, 0) << Name(static_cast<actors::Kind>(kind));
  }
}

}  // namespace
}  // namespace orrery
