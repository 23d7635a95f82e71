// SPDX-License-Identifier: Apache-2.0

// Campaigns in virtual time: they follow the search's rules and the machine's limits, tell a recorded campaign within
// 15%, and a plan made of a part of a campaign is the plan of all of it.

#include "simulation/campaign.h"

#include <gtest/gtest.h>

#include "base/paths.h"
#include "simulation/plan.h"
#include "tests/simulation/made_profile.h"

namespace orrery::simulation {
namespace {

CampaignSetting Setting(const Profile& profile, uint64_t problems) {
  return {.rules = profile.rules, .problems = problems, .live_trees = 64};
}

TEST(Simulate, TheSameSeedGivesTheSameFigures) {
  const Profile profile = MadeProfile();
  CampaignSetting setting = Setting(profile, 100);
  const CampaignFigures first = Simulate(profile, setting), again = Simulate(profile, setting);
  EXPECT_EQ(first.seconds, again.seconds);
  EXPECT_EQ(first.done_at, again.done_at);
  EXPECT_EQ(first.tokens, again.tokens);
  setting.seed = 2;
  EXPECT_NE(Simulate(profile, setting).tokens, first.tokens);
}

TEST(Simulate, WhatIsFoundDoesNotDependOnTheMachine) {
  Profile profile = MadeProfile();
  CampaignSetting setting = Setting(profile, 100);
  const CampaignFigures first = Simulate(profile, setting);
  profile.device.seconds_per_row *= 7;
  profile.sandbox = {.mean = 1, .deviation = 3, .workers = 5};
  setting.devices = 3;
  setting.live_trees = 7;
  const CampaignFigures other = Simulate(profile, setting);
  EXPECT_EQ(first.solved, other.solved);
  EXPECT_EQ(first.rollouts, other.rollouts);
  EXPECT_EQ(first.expansions, other.expansions);
  EXPECT_EQ(first.tokens, other.tokens);
  EXPECT_EQ(first.steps, other.steps);
  EXPECT_NE(first.seconds, other.seconds);
}

TEST(Simulate, TimeIsWhatTheDeviceTakes) {
  const Profile profile = MadeProfile();
  const CampaignFigures figures = Simulate(profile, Setting(profile, 300));
  EXPECT_EQ(figures.done_at.size(), 300U);
  EXPECT_EQ(figures.done_at.back(), figures.seconds);
  const double batches = static_cast<double>(figures.batches), rows = static_cast<double>(figures.rows);
  EXPECT_NEAR(figures.device_busy, 0.05 * batches + 0.002 * rows, 1e-6 * figures.device_busy);
  EXPECT_LE(figures.device_busy, figures.seconds);
  EXPECT_LE(rows / batches, 256);
  // A row for each token but the first of a prompt, which its last row gives, and the rows of the prompts.
  EXPECT_GE(figures.rows, figures.tokens);
  EXPECT_LE(figures.rows, figures.tokens + figures.expansions * 31 * 3);
}

TEST(Simulate, RulesAreKept) {
  const Profile profile = MadeProfile();
  CampaignSetting setting = Setting(profile, 200);
  const CampaignFigures once = Simulate(profile, setting);
  EXPECT_LE(once.rollouts, 200U * 8);
  EXPECT_GT(once.rollouts, 200U * 7);
  setting.rules.extra_rollouts_when_unsolved = 8;
  const CampaignFigures more = Simulate(profile, setting);
  EXPECT_GT(more.rollouts, once.rollouts);
  EXPECT_LE(more.rollouts, once.rollouts + (200 - once.solved) * 8);
  EXPECT_GT(more.solved, once.solved);
  setting.rules.extra_rollouts_when_unsolved = 0;
  setting.problems = 4;
  const double alone = Simulate(profile, setting).seconds;
  setting.rules.wave = 8;
  EXPECT_LT(Simulate(profile, setting).seconds, alone * 0.8) << "a wave of eight waits less often";
  setting.rules.max_depth = 2;
  EXPECT_EQ(Simulate(profile, setting).solved, 0U) << "an answer is the third step at the earliest";
}

TEST(Simulate, ARecordedCampaignIsToldWithin15Percent) {
  const auto file = DataFile("configs/profiles/gsm8k-qwen2.5-coder-0.5b.json");
  ASSERT_TRUE(file.ok()) << file.status();
  const auto profile = ParseProfile(*ReadFile(*file), file->string());
  ASSERT_TRUE(profile.ok()) << profile.status();
  const Recorded& recorded = profile->recorded;
  double seconds = 0, tokens = 0, expansions = 0, rollouts = 0, rows_a_batch = 0;
  constexpr int kSeeds = 5;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const CampaignFigures figures = Simulate(
        *profile,
        {.rules = profile->rules, .problems = recorded.problems, .seed = seed, .live_trees = recorded.live_trees});
    seconds += figures.seconds / kSeeds;
    tokens += static_cast<double>(figures.tokens) / kSeeds;
    expansions += static_cast<double>(figures.expansions) / kSeeds;
    rollouts += static_cast<double>(figures.rollouts) / kSeeds;
    rows_a_batch += static_cast<double>(figures.rows) / static_cast<double>(figures.batches) / kSeeds;
  }
  const auto near = [](double simulated, double measured) { EXPECT_NEAR(simulated / measured, 1, 0.15); };
  near(seconds, recorded.seconds);
  near(tokens, static_cast<double>(recorded.tokens));
  near(expansions, static_cast<double>(recorded.expansions));
  near(rollouts, static_cast<double>(recorded.rollouts));
  near(rows_a_batch, static_cast<double>(recorded.rows) / static_cast<double>(recorded.batches));
}

TEST(Plan, APartTellsTheWhole) {
  const Profile profile = MadeProfile();
  PlanSetting setting{.campaign = Setting(profile, 4000), .price_an_hour = 3, .sample = 800};
  const Plan part = MakePlan(profile, setting);
  setting.sample = 4000;
  const Plan whole = MakePlan(profile, setting);
  EXPECT_EQ(part.simulated, 800U);
  EXPECT_EQ(whole.simulated, 4000U);
  EXPECT_NEAR(part.hours / whole.hours, 1, 0.03);
  EXPECT_NEAR(part.tokens / whole.tokens, 1, 0.03);
  EXPECT_NEAR(whole.cost, whole.hours * 3, 1e-9);
  EXPECT_NEAR(whole.cost_per_problem, whole.cost / 4000, 1e-9);
  EXPECT_EQ(whole.hours, whole.sample.seconds / 3600);
}

TEST(Plan, DevicesShareTheWork) {
  const Profile profile = MadeProfile();
  PlanSetting setting{.campaign = Setting(profile, 2000)};
  const Plan one = MakePlan(profile, setting);
  setting.campaign.devices = 4;
  setting.campaign.live_trees = 256;
  const Plan four = MakePlan(profile, setting);
  EXPECT_NEAR(one.hours / four.hours, 4, 0.4);
  EXPECT_NEAR(four.device_hours, four.hours * 4, 1e-9);
}

TEST(Plan, NamesWhatLimits) {
  const Profile made = MadeProfile();
  const auto limit = [](const Profile& profile, uint64_t problems, size_t live_trees) {
    PlanSetting setting{.campaign = Setting(profile, problems)};
    setting.campaign.live_trees = live_trees;
    return MakePlan(profile, setting).limit;
  };
  EXPECT_TRUE(limit(made, 1000, 128).starts_with("the device: busy 100%")) << limit(made, 1000, 128);
  EXPECT_TRUE(limit(made, 400, 4).starts_with("the number of live trees: 4 fill")) << limit(made, 400, 4);
  EXPECT_TRUE(limit(made, 8, 64).starts_with("the length of a tree: all 8 live")) << limit(made, 8, 64);
  Profile slow = made;
  slow.sandbox.mean = 2;
  EXPECT_TRUE(limit(slow, 400, 64).starts_with("the sandbox: its 2 workers")) << limit(slow, 400, 64);
  slow = made;
  slow.grader.mean = 5;
  EXPECT_TRUE(limit(slow, 400, 64).starts_with("the grader: its 1 workers")) << limit(slow, 400, 64);
  slow = made;
  slow.journal.mean = 60;
  EXPECT_TRUE(limit(slow, 400, 64).starts_with("the journal: it commits")) << limit(slow, 400, 64);
}

}  // namespace
}  // namespace orrery::simulation
