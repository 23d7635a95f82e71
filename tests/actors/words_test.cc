// SPDX-License-Identifier: Apache-2.0
// Campaigns whose steps are sentences: nothing is run, and what is exported opens as such a solution.

#include <gtest/gtest.h>

#include "store/convert.h"
#include "store/export.h"
#include "tests/actors/scene.h"
#include "tests/fresh.h"

namespace orrery {
namespace {

Scene WordsScene(const std::string& name) {
  return {.folder = FreshFolder(name), .rules = SmallRules(), .ppm = true, .steps = reasoning::StepForm::kWords};
}

TEST(WordsCampaign, SameRecordsWhateverTheTimingAndTheThreads) {
  const Scene first = WordsScene("first");
  const auto outcome = Play(first);
  EXPECT_EQ(outcome.failure, "");
  EXPECT_GT(outcome.solved, 3u);
  EXPECT_EQ(MetersOf(first).search.steps_executed.load(), 0u);
  for (const int threads : {1, 8}) {
    Scene again = WordsScene("again" + std::to_string(threads) + "_");
    again.threads = threads;
    again.timing = 100 + static_cast<uint64_t>(threads);
    Play(again);
    EXPECT_EQ(Digest(again.folder), Digest(first.folder)) << threads;
  }
}

TEST(WordsCampaign, ARecordProvesItselfAndIsExportedByItsOpening) {
  const Scene scene = WordsScene("proof");
  Play(scene);
  store::ExportOptions options;
  options.prompt = [](const std::string& question, reasoning::StepForm steps) {
    return question + std::string(reasoning::Opening(steps));
  };
  auto store = *store::Store::OpenReadOnly(scene.folder / "store");
  int exported = 0;
  ASSERT_TRUE(store
                  ->ForEachTree([&](std::string_view key, const store::TreeChunk& record) {
                    ExpectProven(key, record, scene.rules);
                    EXPECT_TRUE(record->in_words());
                    EXPECT_EQ(store::TrainingPrompt(options, *record), record->question()->str());
                    const search::Tree tree = *store::ToSearchTree(*record);
                    for (const auto& trajectory : search::BestTrajectories(tree, 2)) {
                      const std::string text = store::TrainingText(options, *record, trajectory.nodes);
                      EXPECT_EQ(reasoning::FormOf(text), reasoning::StepForm::kWords) << text;
                      EXPECT_TRUE(text.ends_with("<end_of_answer>\n")) << text;
                      ++exported;
                    }
                    return true;
                  })
                  .ok());
  EXPECT_GT(exported, 3);
}

}  // namespace
}  // namespace orrery
