// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "runners/sweeps/statistics.h"

namespace orrery::runners {
namespace {

TEST(StudentQuantile, AgreesWithThePublishedTable) {
  // 97.5% points as printed in every table of the t distribution.
  const std::vector<std::pair<int, double>> table = {{1, 12.7062}, {2, 4.3027},  {3, 3.1824},  {4, 2.7764},
                                                     {5, 2.5706},  {9, 2.2622},  {10, 2.2281}, {30, 2.0423},
                                                     {60, 2.0003}, {120, 1.9799}};
  for (const auto& [degrees, t] : table) EXPECT_NEAR(StudentQuantile(degrees, 0.95), t, 5.1e-5) << degrees;
  EXPECT_NEAR(StudentQuantile(2, 0.99), 9.9248, 5.1e-5);
  // With one degree it is Cauchy's distribution: a half lies within [-1, 1].
  EXPECT_NEAR(StudentQuantile(1, 0.5), 1, 1e-12);
}

TEST(SpreadOf, ThreeSeedsByHand) {
  // Mean 0.5; squares of the deviations 0.01, 0, 0.01: s = sqrt(0.02 / 2) = 0.1; half = 4.302653 * 0.1 / sqrt(3).
  const Spread spread = SpreadOf({0.4, 0.5, 0.6});
  EXPECT_EQ(spread.count, 3u);
  EXPECT_NEAR(spread.mean, 0.5, 1e-12);
  ASSERT_TRUE(spread.deviation);
  EXPECT_NEAR(*spread.deviation, 0.1, 1e-12);
  EXPECT_NEAR(spread.low, 0.5 - 0.2484138, 1e-6);
  EXPECT_NEAR(spread.high, 0.5 + 0.2484138, 1e-6);
}

TEST(SpreadOf, OneSeedHasNoIntervalAndNoneHasNothing) {
  EXPECT_EQ(SpreadOf({}).count, 0u);
  const Spread one = SpreadOf({0.25});
  EXPECT_EQ(one.mean, 0.25);
  EXPECT_FALSE(one.deviation);
}

TEST(Compare, PairsTheSameProblemsAndSeeds) {
  // Seed 1: a is gained, b lost, c equal; seed 2: a gained again, b equal. Seed 3 and problem d have no partner.
  const std::map<uint64_t, Solved> ours = {{1, {{"a", true}, {"b", false}, {"c", true}, {"d", true}}},
                                           {2, {{"a", true}, {"b", false}}},
                                           {3, {{"a", false}}}};
  const std::map<uint64_t, Solved> baseline = {{1, {{"a", false}, {"b", true}, {"c", true}}},
                                               {2, {{"a", false}, {"b", false}}}};
  const Paired paired = Compare(ours, baseline);
  EXPECT_EQ(paired.problems, 3u);
  EXPECT_EQ(paired.pairs, 5u);
  EXPECT_EQ(paired.better, 2u);
  EXPECT_EQ(paired.worse, 1u);
  // a: (1 + 1) / 2, b: (-1 + 0) / 2, c: 0; their mean 1/6.
  EXPECT_NEAR(paired.mean, 1.0 / 6, 1e-12);
  EXPECT_GE(paired.low, -0.5);
  EXPECT_LT(paired.low, paired.mean);
  EXPECT_GT(paired.high, paired.mean);
  EXPECT_LE(paired.high, 1);
  const Paired back = Compare(baseline, ours);
  EXPECT_NEAR(back.mean, -1.0 / 6, 1e-12);
  EXPECT_EQ(back.better, 1u);
  EXPECT_EQ(back.worse, 2u);
}

TEST(Compare, TheIntervalIsThatOfTheMeanOverProblems) {
  // 100 problems of which 50 are gained: the bootstrap's mean is binomial, sd 0.05.
  std::map<uint64_t, Solved> ours, baseline;
  for (int i = 0; i < 100; ++i) {
    ours[1]["p" + std::to_string(i)] = i % 2 == 0;
    baseline[1]["p" + std::to_string(i)] = false;
  }
  const Paired paired = Compare(ours, baseline);
  EXPECT_NEAR(paired.mean, 0.5, 1e-12);
  EXPECT_NEAR(paired.low, 0.5 - 1.96 * 0.05, 0.011);
  EXPECT_NEAR(paired.high, 0.5 + 1.96 * 0.05, 0.011);
  EXPECT_EQ(Compare(ours, {}).problems, 0u);
  const Paired same = Compare(ours, ours);
  EXPECT_EQ(same.mean, 0);
  EXPECT_EQ(same.low, 0);
  EXPECT_EQ(same.high, 0);
}

}  // namespace
}  // namespace orrery::runners
