// SPDX-License-Identifier: Apache-2.0
#pragma once

// What several solutions of a question amount to: votes, best by score, pass@k; over a benchmark the mean of each and
// how sure it is. Pure functions (METHODS A2: report all of them, from one run).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace orrery::runners {

// One solution that came to an answer.
struct Attempt {
  std::string answer;
  bool right = false;
  std::optional<double> score;  // a reward model's, in (−1, 1)
};

struct Question {
  std::vector<Attempt> attempts;  // in the order in which they were made
  int tried = 0;                  // solutions begun; those without an answer count against all
};

// Answers that a vote takes for one: numbers by their value, all else by its letters without blanks.
std::string VoteKey(const std::string& answer);

// Whether the answer is right that most attempts gave, or whose attempts' weights sum up to most (weight (1 + score) /
// 2); of equals the one given first. An attempt without a score weighs nothing.
bool MajorityRight(const Question& question, bool weighted);
// Of the attempt with the highest score, the first of equals.
bool BestRight(const Question& question);
// 1 − C(n − c, k) / C(n, k): the unbiased estimate from n ≥ k tries of which c are right (Chen et al. 2021).
double PassAtK(const Question& question, int k);

struct Estimate {
  double mean = 0, low = 0, high = 0;  // 95% of `draws` resamples of the questions lie in [low, high]
};
// `values`: one number a question. Draws are a function of `seed`.
Estimate Bootstrap(const std::vector<double>& values, uint64_t seed, int draws = 10'000);

}  // namespace orrery::runners
