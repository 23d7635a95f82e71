// SPDX-License-Identifier: Apache-2.0
#include "runners/sweeps/statistics.h"

#include <cmath>
#include <numbers>
#include <numeric>

#include "runners/evaluation/metrics.h"

namespace orrery::runners {
namespace {

// The probability of [-t, t]: for whole degrees of freedom a finite sum (Abramowitz and Stegun 26.7.3 and 26.7.4).
double StudentShare(int degrees, double t) {
  const double angle = std::atan(t / std::sqrt(static_cast<double>(degrees)));
  const double sine = std::sin(angle), square = std::cos(angle) * std::cos(angle);
  const bool odd = degrees % 2 == 1;
  double term = odd ? std::cos(angle) : 1, sum = 0;
  for (int k = odd ? 1 : 0; k <= degrees - 2; k += 2) {
    sum += term;
    term *= square * (k + 1) / (k + 2);
  }
  return odd ? 2 / std::numbers::pi * (angle + sine * sum) : sine * sum;
}

}  // namespace

double StudentQuantile(int degrees, double share) {
  double low = 0, high = 1;
  while (StudentShare(degrees, high) < share) high *= 2;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (StudentShare(degrees, middle) < share ? low : high) = middle;
  }
  return (low + high) / 2;
}

Spread SpreadOf(const std::vector<double>& values) {
  Spread spread{.count = values.size()};
  if (values.empty()) return spread;
  const auto count = static_cast<double>(values.size());
  spread.mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  if (values.size() < 2) return spread;
  double squares = 0;
  for (const double value : values) squares += (value - spread.mean) * (value - spread.mean);
  spread.deviation = std::sqrt(squares / (count - 1));
  const double half = StudentQuantile(static_cast<int>(values.size()) - 1, 0.95) * *spread.deviation / std::sqrt(count);
  spread.low = spread.mean - half;
  spread.high = spread.mean + half;
  return spread;
}

Paired Compare(const std::map<uint64_t, Solved>& ours, const std::map<uint64_t, Solved>& baseline) {
  struct Sum {
    int difference = 0, seeds = 0;
  };
  std::map<std::string, Sum> sums;
  Paired paired;
  for (const auto& [seed, solved] : ours) {
    const auto other = baseline.find(seed);
    if (other == baseline.end()) continue;
    for (const auto& [problem, right] : solved) {
      const auto there = other->second.find(problem);
      if (there == other->second.end()) continue;
      const int difference = static_cast<int>(right) - static_cast<int>(there->second);
      Sum& sum = sums[problem];
      sum.difference += difference;
      ++sum.seeds;
      ++paired.pairs;
      if (difference > 0) ++paired.better;
      if (difference < 0) ++paired.worse;
    }
  }
  std::vector<double> values;
  for (const auto& [problem, sum] : sums) values.push_back(static_cast<double>(sum.difference) / sum.seeds);
  paired.problems = values.size();
  if (values.empty()) return paired;
  const Estimate estimate = Bootstrap(values, values.size());
  paired.mean = estimate.mean;
  paired.low = estimate.low;
  paired.high = estimate.high;
  return paired;
}

}  // namespace orrery::runners
