// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "runners/evaluation/metrics.h"

namespace orrery::runners {
namespace {

Question Of(std::vector<Attempt> attempts, int tried) { return {std::move(attempts), tried}; }

TEST(PassAtK, IsTheShareOfDrawsWithARightOne) {
  // Of five tries two are right: by counting, 1 - C(3, k) / C(5, k).
  const Question question = Of({{"1", true}, {"2", false}, {"1", true}}, 5);
  EXPECT_NEAR(PassAtK(question, 1), 2 / 5.0, 1e-12);
  EXPECT_NEAR(PassAtK(question, 2), 1 - 3 / 10.0, 1e-12);
  EXPECT_NEAR(PassAtK(question, 3), 1 - 1 / 10.0, 1e-12);
  EXPECT_EQ(PassAtK(question, 4), 1);
  EXPECT_EQ(PassAtK(question, 5), 1);
  EXPECT_EQ(PassAtK(Of({}, 3), 2), 0);
}

TEST(Majority, CountsNumbersByValueAndTheFirstOfEquals) {
  EXPECT_TRUE(MajorityRight(Of({{"7", false}, {"18", true}, {"18.0", true}, {"7.5", false}}, 8), false));
  EXPECT_FALSE(MajorityRight(Of({{"7", false}, {"18", true}}, 2), false)) << "one vote each: the first";
  EXPECT_TRUE(MajorityRight(Of({{"x + 1", true}, {"x+1", true}, {"3", false}}, 3), false));
  EXPECT_FALSE(MajorityRight(Of({}, 4), false));
}

TEST(Majority, WeighsByScore) {
  const Question question = Of({{"7", false, -0.9}, {"7", false, -0.8}, {"18", true, 0.9}}, 3);
  EXPECT_FALSE(MajorityRight(question, false));
  EXPECT_TRUE(MajorityRight(question, true));
  // Without a score there is no weight.
  EXPECT_TRUE(MajorityRight(Of({{"7", false}, {"7", false}, {"18", true, -0.9}}, 3), true));
}

TEST(Best, IsTheHighestScore) {
  EXPECT_TRUE(BestRight(Of({{"7", false, 0.1}, {"18", true, 0.2}, {"9", false, -1.0}}, 3)));
  EXPECT_FALSE(BestRight(Of({{"7", false, 0.2}, {"18", true, 0.2}}, 2))) << "the first of equals";
  EXPECT_FALSE(BestRight(Of({}, 2)));
}

TEST(Bootstrap, HoldsTheMeanWhereItShould) {
  std::vector<double> values(300, 0);
  for (size_t i = 0; i < 90; ++i) values[i] = 1;
  const Estimate estimate = Bootstrap(values, 1);
  EXPECT_NEAR(estimate.mean, 0.3, 1e-12);
  // A binomial's 95%: 0.3 ± 1.96 √(0.3 · 0.7 / 300).
  const double half = 1.96 * std::sqrt(0.3 * 0.7 / 300);
  EXPECT_NEAR(estimate.low, 0.3 - half, 0.008);
  EXPECT_NEAR(estimate.high, 0.3 + half, 0.008);
  EXPECT_EQ(Bootstrap(values, 1).low, estimate.low) << "the same seed, the same draws";
  const Estimate sure = Bootstrap(std::vector<double>(20, 1), 3);
  EXPECT_EQ(sure.low, 1);
  EXPECT_EQ(sure.high, 1);
}

}  // namespace
}  // namespace orrery::runners
