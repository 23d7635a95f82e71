// SPDX-License-Identifier: Apache-2.0
#include "model/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include "base/random.h"

namespace orrery::model {
namespace {

const kernels::Backend& Kernels() {
  static const auto backend = kernels::Backend::Create(kernels::HostIsa(), kernels::Type::kFloat32);
  return *backend;
}

SampledToken Pick(const std::vector<float>& logits, const Sampling& sampling, float uniform) {
  return Sample(Kernels(), logits.data(), static_cast<int>(logits.size()), sampling, uniform);
}

std::vector<float> Logits(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)) + 3);
  return logits;
}

// Which tokens come out over a fine grid of uniforms, and how often.
std::map<TokenId, double> Shares(const std::vector<float>& logits, const Sampling& sampling) {
  constexpr int kGrid = 1 << 12;
  std::map<TokenId, double> shares;
  for (int i = 0; i < kGrid; ++i)
    shares[Pick(logits, sampling, (static_cast<float>(i) + 0.5f) / kGrid).token] += 1.0 / kGrid;
  return shares;
}

TEST(Sampler, GreedyTakesTheLowestOfEquals) {
  std::vector<float> logits(3000, -1);
  logits[2999] = logits[1777] = 2;
  EXPECT_EQ(Pick(logits, {}, 0.9f).token, 1777);
  EXPECT_EQ(Pick(logits, {.temperature = 1, .top_k = 1}, 0.9f).token, 1777);
  EXPECT_EQ(Pick(logits, {.temperature = 1, .top_p = 1e-6f}, 0.9f).token, 1777);
}

TEST(Sampler, FollowsTheDistribution) {
  const std::vector<double> p = {0.1, 0.5, 0.05, 0.2, 0.15};
  const auto shares = Shares(Logits(p), {.temperature = 1});
  for (size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(shares.at(static_cast<TokenId>(i)), p[i], 1e-3);
}

TEST(Sampler, TemperatureSharpens) {
  const auto shares = Shares(Logits({0.25, 0.5, 0.25}), {.temperature = 0.5f});  // squares: 1 : 4 : 1
  EXPECT_NEAR(shares.at(0), 1.0 / 6, 1e-3);
  EXPECT_NEAR(shares.at(1), 4.0 / 6, 1e-3);
}

TEST(Sampler, TopKKeepsTheMostProbable) {
  const auto shares =
      Shares(Logits({0.1, 0.4, 0.1, 0.3, 0.1}), {.temperature = 1, .top_k = 3});  // of three equals the lowest id
  ASSERT_EQ(shares.size(), 3u);
  EXPECT_NEAR(shares.at(0), 0.125, 1e-3);
  EXPECT_NEAR(shares.at(1), 0.5, 1e-3);
  EXPECT_NEAR(shares.at(3), 0.375, 1e-3);
}

TEST(Sampler, TopPKeepsTheFewestThatReachIt) {
  const std::vector<float> logits = Logits({0.1, 0.4, 0.05, 0.3, 0.15});
  EXPECT_EQ(Shares(logits, {.temperature = 1, .top_p = 0.39f}).size(), 1u);
  EXPECT_EQ(Shares(logits, {.temperature = 1, .top_p = 0.41f}).size(), 2u);
  EXPECT_EQ(Shares(logits, {.temperature = 1, .top_p = 0.8f}).size(), 3u);
  EXPECT_EQ(Shares(logits, {.temperature = 1, .top_p = 0.94f}).size(), 4u);
  EXPECT_EQ(Shares(logits, {.temperature = 1, .top_p = 0.96f}).size(), 5u);
  EXPECT_NEAR(Shares(logits, {.temperature = 1, .top_p = 0.6f}).at(1), 4.0 / 7, 1e-3);
}

TEST(Sampler, TopPCountsWithinTopK) {
  // Of the two kept by top_k (4/7 and 3/7) the first alone reaches 0.5.
  EXPECT_EQ(Shares(Logits({0.1, 0.4, 0.05, 0.3, 0.15}), {.temperature = 1, .top_p = 0.5f, .top_k = 2}).size(), 1u);
}

TEST(Sampler, LogProbabilityIsThatOfThePlainDistribution) {
  const std::vector<double> p = {0.1, 0.4, 0.05, 0.3, 0.15};
  const SampledToken token = Pick(Logits(p), {.temperature = 0.3f, .top_p = 0.9f, .top_k = 3}, 0.99f);
  EXPECT_NEAR(token.log_probability, std::log(p[static_cast<size_t>(token.token)]), 1e-5);
}

// A plain definition to compare with: everything sorted, everything in double.
TokenId Plainly(const std::vector<float>& logits, const Sampling& sampling, double uniform, double& closeness) {
  std::vector<TokenId> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](TokenId a, TokenId b) { return logits[a] > logits[b]; });
  if (sampling.top_k > 0) order.resize(std::min<size_t>(order.size(), sampling.top_k));
  std::vector<double> weights;
  for (const TokenId token : order)
    weights.push_back(std::exp((double{logits[token]} - logits[order[0]]) / sampling.temperature));
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  size_t kept = 0;
  double mass = 0;
  closeness = 1;
  while (kept < weights.size() && (kept == 0 || mass < sampling.top_p * all)) {
    mass += weights[kept++];
    closeness = std::min(closeness, std::abs(mass / all - sampling.top_p));
  }
  double left = uniform * mass;
  for (size_t i = 0; i < kept; ++i) {
    closeness = std::min(closeness, std::abs(left - weights[i]) / mass);
    if (left < weights[i]) return order[i];
    left -= weights[i];
  }
  return order[kept - 1];
}

TEST(Sampler, AgreesWithAPlainDefinitionOnALargeVocabulary) {
  std::mt19937 random(1);
  for (const float spread : {0.01f, 1.0f, 4.0f}) {
    std::normal_distribution<float> normal(0, spread);
    std::vector<float> logits(20001);
    for (float& logit : logits) logit = normal(random);
    for (const Sampling& sampling :
         {Sampling{0.7f, 0.95f, 0}, Sampling{1.0f, 0.5f, 40}, Sampling{1.5f, 0.999f, 0}, Sampling{0.2f, 1.0f, 1000}}) {
      for (uint32_t i = 0; i < 40; ++i) {
        const float uniform = RandomStream{5, 6}.Uniform(Purpose::kSampleToken, i);
        double closeness;
        const TokenId expected = Plainly(logits, sampling, uniform, closeness);
        if (closeness < 1e-6) continue;  // float32 weights may fall on the other side
        EXPECT_EQ(Pick(logits, sampling, uniform).token, expected) << spread << " " << sampling.temperature << " " << i;
      }
    }
  }
}

TEST(Sampler, TheLastUniformStillGivesAToken) {
  std::vector<float> logits(151936, -60);
  logits[100] = 5;
  const float last = std::nextafter(1.0f, 0.0f);
  EXPECT_EQ(Pick(logits, {.temperature = 0.3f}, last).token, 100);
  EXPECT_EQ(Pick(logits, {.temperature = 0.3f, .top_p = 0.99f}, last).token, 100);
  EXPECT_GE(Pick(std::vector<float>(2049, 0.0f), {.temperature = 1}, last).token, 2047);
}

}  // namespace
}  // namespace orrery::model
