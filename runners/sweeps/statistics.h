// SPDX-License-Identifier: Apache-2.0
#pragma once

// What several seeds of a setting say together, and how a setting compares with another one. Pure functions.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace orrery::runners {

// The number t for which a variable of Student's distribution lies in [-t, t] with probability `share`. `degrees` ≥ 1.
double StudentQuantile(int degrees, double share);

// Of one number a seed.
struct Spread {
  size_t count = 0;
  double mean = 0;
  // Only of two numbers and more:
  std::optional<double> deviation;  // the sample's, with n − 1
  double low = 0, high = 0;         // 95% interval of the mean by Student's t with n − 1 degrees of freedom
};
Spread SpreadOf(const std::vector<double>& values);

// Which problems (by their key) a campaign solved, of those that it finished.
using Solved = std::map<std::string, bool>;

// One setting against another, by the problems and seeds that both have.
struct Paired {
  uint64_t problems = 0;               // compared; 0: nothing is
  uint64_t pairs = 0;                  // problems × seeds
  uint64_t better = 0, worse = 0;      // pairs that only one of the two solved
  double mean = 0, low = 0, high = 0;  // difference of the shares solved, and its 95% interval
};

// For each problem the difference, as a mean over the seeds; then their mean, and the interval that 95% of 10,000
// resamples of the problems lie in (percentile bootstrap; draws are a function of the number of problems). `ours` and
// `baseline` are by seed.
Paired Compare(const std::map<uint64_t, Solved>& ours, const std::map<uint64_t, Solved>& baseline);

}  // namespace orrery::runners
