// SPDX-License-Identifier: Apache-2.0
// What is observed in a campaign, on trees worked out by hand and on a small campaign's store.
#include "runners/store_commands/observations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "runners/store_commands/observe.h"
#include "runners/store_commands/q_error.h"
#include "store/convert.h"
#include "tests/runners/small_campaign.h"
#include "tests/store/made_tree.h"

namespace orrery::runners {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Observations Of(const std::vector<std::pair<std::string, store::TreeChunk>>& trees, size_t shown = 20) {
  Observations seen(shown, 1);
  for (const auto& [problem, tree] : trees) seen.Add(problem, *tree, *store::ToSearchTree(*tree));
  return seen;
}

// The rollouts of MadeTree end right, wrong, right, wrong; of its nodes three are right in all, one of them twice.
TEST(Observations, CountWhatTheTreesHold) {
  const Observations seen = Of({{"p", store::MadeTree("p#1")}, {"q", store::MadeUnsolvedTree("q#1")}});
  EXPECT_EQ(seen.problems, 2u);
  EXPECT_EQ(seen.solved, 1u);
  EXPECT_EQ(seen.unsolved, 1u);
  EXPECT_EQ(seen.solved_within.at(1), 1u);
  EXPECT_EQ(seen.solved_within.at(4), 1u);
  EXPECT_EQ(seen.by_level.at("easy level").part, 1u);
  EXPECT_EQ(seen.by_source.at("plain").whole, 2u);
  EXPECT_THAT(seen.unsolved_kinds, ElementsAre(testing::Pair("wrong answers", 1u)));
  EXPECT_EQ(seen.doubtful_labels, 0u) << "one rollout is no majority";
  EXPECT_EQ(seen.right_solutions, 2u);
  EXPECT_EQ(seen.all_steps.count, 6u) << "five of the one tree, one of the other; answers are none";
  EXPECT_FALSE(seen.scored);
  EXPECT_THAT(seen.best_steps(), IsEmpty()) << "only scores are ranked";
  ASSERT_EQ(seen.solutions().size(), 1u);
  EXPECT_THAT(seen.solutions()[0].steps[0], HasSubstr("pairs of boxes"));
  // Of the best solution, by power (Q 1/3, 1): its steps are /0 and /0/2.
  ASSERT_EQ(seen.doubtful_steps().size(), 2u);
  EXPECT_EQ(seen.doubtful_steps()[0].path, "/0");
  EXPECT_NEAR(seen.doubtful_steps()[0].value, 1.0 / 3, 1e-12);
  EXPECT_EQ(seen.doubtful_steps()[1].path, "/0/2");
}

TEST(Observations, ALabelThatMostRolloutsContradictIsDoubtful) {
  Unsolved one{.problem = "p", .question = "", .answer = "3", .kind = "", .given = "4", .agree = {3, 5}};
  EXPECT_TRUE(one.doubtful());
  one.agree = {3, 6};
  EXPECT_FALSE(one.doubtful());
  one.agree = {2, 2};
  EXPECT_FALSE(one.doubtful());
}

TEST(Observations, TheoremsAndTurnsAreFoundByTheirWords) {
  EXPECT_THAT(TheoremsIn("# By Vieta's formulas and the AM-GM inequality\nx = 1\n"),
              ElementsAre("AM-GM inequality", "Vieta's formulas"));
  EXPECT_THAT(TheoremsIn("# Add the apples\n"), IsEmpty());
  EXPECT_TRUE(TurnsBack("x = 1\n  # That is wrong: let's take another approach\n"));
  EXPECT_FALSE(TurnsBack("print('mistake')\n# Add\n")) << "only comments count";
}

TEST(Observations, ASampleIsBoundedAndAFunctionOfTheNames) {
  std::vector<std::pair<std::string, store::TreeChunk>> trees;
  for (int i = 0; i < 12; ++i) trees.emplace_back("q" + std::to_string(i), store::MadeUnsolvedTree("q#1"));
  const auto names = [](const Observations& seen) {
    std::vector<std::string> all;
    for (const auto& one : seen.unsolved_sample()) all.push_back(one.problem);
    return all;
  };
  const auto some = names(Of(trees, 5));
  EXPECT_EQ(some.size(), 5u);
  std::ranges::reverse(trees);
  EXPECT_EQ(names(Of(trees, 5)), some) << "whatever the order";
}

TEST(StoreObserve, OfARunAsMarkdownAndAsAnObject) {
  const fs::path run = fs::path(testing::TempDir()) / ("observed" + std::to_string(getpid()));
  RunSmallCampaign({.run = run});
  const Said json = Saying([&] { return ObserveStore({.run = run, .json = true}); });
  EXPECT_EQ(json.code, 0);
  const auto seen = nlohmann::json::parse(json.text);
  EXPECT_EQ(seen["problems"], 8);
  EXPECT_EQ(seen["solved"].get<int>() + seen["unsolved"].get<int>(), 8);
  EXPECT_EQ(seen["solved_by_source"]["even"]["problems"], 4);
  EXPECT_GE(seen["solved_within"]["4"], seen["solved_within"]["1"]);
  const Said text = Saying([&] { return ObserveStore({.run = run}); });
  EXPECT_THAT(text.text, HasSubstr("| within rollouts | solved |"));
  EXPECT_THAT(text.text, HasSubstr("## Right solutions, a sample to be read"));
  EXPECT_EQ(Saying([&] { return ObserveStore({.run = run}); }).text, text.text);
  fs::remove_all(run);
}

TEST(StoreQError, ComparesTheStepsThatBothRunsVisited) {
  const fs::path folder = fs::path(testing::TempDir()) / ("q_error" + std::to_string(getpid()));
  SmallCampaign few{.run = folder / "few"}, many{.run = folder / "many"};
  many.rules.rollouts = 24;
  RunSmallCampaign(few);
  RunSmallCampaign(many);
  const Said said = Saying([&] { return CompareQ({few.run, many.run, true}); });
  EXPECT_EQ(said.code, 0);
  const auto found = nlohmann::json::parse(said.text);
  EXPECT_EQ(found["problems"], 8);
  uint64_t steps = 0;
  for (const auto& row : found["by_visits"]) {
    steps += row["steps"].get<uint64_t>();
    EXPECT_LE(row["visits_from"], 6);
    EXPECT_LE(row["mean_error"], 2.0);
  }
  EXPECT_GT(steps, 8u);
  EXPECT_EQ(Saying([&] {
              return CompareQ({many.run, few.run, true});
            }).code,
            -1)
      << "the second visited nothing more often";
  fs::remove_all(folder);
}

}  // namespace
}  // namespace orrery::runners
