// SPDX-License-Identifier: Apache-2.0
// Campaigns of step-level beam search: each record is the search that its own expansions tell, whatever the timing.

#include <gtest/gtest.h>

#include <algorithm>

#include "store/convert.h"
#include "tests/actors/scene.h"
#include "tests/fresh.h"

namespace orrery {
namespace {

Scene BeamScene(const std::string& name) {
  Scene scene{.folder = FreshFolder(name), .rules = SmallRules(), .ppm = true};
  scene.rules.scored = true;
  scene.rules.value = search::Value::kScore;
  scene.rules.beams = 3;
  return scene;
}

TEST(BeamCampaign, SameRecordsWhateverTheTimingAndTheThreads) {
  const Scene first = BeamScene("first");
  const auto outcome = Play(first);
  EXPECT_EQ(outcome.failure, "");
  EXPECT_EQ(outcome.done, 12u);
  EXPECT_GT(outcome.solved, 0u);
  const std::string digest = Digest(first.folder);
  for (const int threads : {1, 8}) {
    Scene again = BeamScene("again" + std::to_string(threads) + "_");
    again.threads = threads;
    again.timing = 100 + static_cast<uint64_t>(threads);
    Play(again);
    EXPECT_EQ(Digest(again.folder), digest) << threads;
  }
}

TEST(BeamCampaign, ARecordProvesItself) {
  const Scene scene = BeamScene("proof");
  Play(scene);
  auto store = *store::Store::OpenReadOnly(scene.folder / "store");
  int answers = 0;
  ASSERT_TRUE(store
                  ->ForEachTree([&](std::string_view key, const store::TreeChunk& record) {
                    ExpectProven(key, record, scene.rules);
                    const search::Tree tree = *store::ToSearchTree(*record);
                    int answered = 0;
                    for (const auto& rollout : tree.rollouts)
                      answered += tree.nodes[static_cast<size_t>(rollout.node)].end == search::End::kAnswered ? 1 : 0;
                    EXPECT_LE(answered, scene.rules.beams);
                    answers += answered;
                    // No depth holds more partial solutions than there are beams.
                    std::map<size_t, int> expanded;
                    for (const auto* expansion : *record->expansions()) ++expanded[store::PathOf(*expansion).size()];
                    for (const auto& [depth, count] : expanded) EXPECT_LE(count, scene.rules.beams) << depth;
                    return true;
                  })
                  .ok());
  EXPECT_GT(answers, 12);
}

TEST(BeamCampaign, StoppedAndResumedItEndsTheSame) {
  const Scene whole = BeamScene("whole");
  Play(whole);
  Scene stopped = BeamScene("stopped");
  std::atomic<int> looks = 0;
  stopped.watch = [&looks] { return ++looks > 2; };
  Play(stopped);
  stopped.watch = [] { return false; };
  EXPECT_EQ(Play(stopped).failure, "");
  EXPECT_EQ(Digest(stopped.folder), Digest(whole.folder));
}

}  // namespace
}  // namespace orrery
