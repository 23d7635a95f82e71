// SPDX-License-Identifier: Apache-2.0
#include "runners/evaluation/metrics.h"

#include <algorithm>
#include <cctype>
#include <numeric>

#include "base/random.h"
#include "reasoning/number.h"

namespace orrery::runners {
namespace {

struct Vote {
  std::string key;
  double weight = 0;
  bool right = false;
  std::optional<reasoning::PlainNumber> number;
};

}  // namespace

std::string VoteKey(const std::string& answer) {
  std::string key;
  for (const char c : reasoning::Undress(answer)) {
    if (!std::isspace(static_cast<unsigned char>(c))) key += c;
  }
  return key;
}

bool MajorityRight(const Question& question, bool weighted) {
  std::vector<Vote> votes;
  for (const Attempt& attempt : question.attempts) {
    const std::string key = VoteKey(attempt.answer);
    const auto number = reasoning::ParsePlainNumber(attempt.answer);
    auto vote = std::ranges::find_if(votes, [&](const Vote& other) {
      return other.key == key || (number && other.number && reasoning::SameValue(*number, *other.number, true));
    });
    if (vote == votes.end())
      vote = votes.insert(vote, {.key = key, .weight = 0, .right = attempt.right, .number = number});
    vote->weight += !weighted ? 1 : attempt.score ? (1 + *attempt.score) / 2 : 0;
  }
  const auto best = std::ranges::max_element(votes, {}, &Vote::weight);  // the first of equals
  return best != votes.end() && best->right;
}

bool BestRight(const Question& question) {
  const auto best =
      std::ranges::max_element(question.attempts, {}, [](const Attempt& a) { return a.score.value_or(-2); });
  return best != question.attempts.end() && best->right;
}

double PassAtK(const Question& question, int k) {
  const int wrong = question.tried - static_cast<int>(std::ranges::count_if(question.attempts,
                                                                            [](const Attempt& a) { return a.right; }));
  double none = 1;  // C(wrong, k) / C(tried, k)
  for (int i = 0; i < k; ++i) none *= std::max(0, wrong - i) / static_cast<double>(question.tried - i);
  return 1 - none;
}

Estimate Bootstrap(const std::vector<double>& values, uint64_t seed, int draws) {
  if (values.empty()) return {};
  const auto count = static_cast<uint64_t>(values.size());
  std::vector<double> means(static_cast<size_t>(draws));
  for (int draw = 0; draw < draws; ++draw) {
    const RandomStream random{seed, static_cast<uint64_t>(draw)};
    double sum = 0;
    for (uint32_t i = 0; i < count; ++i) sum += values[random.Bits(Purpose::kResample, i) * count >> 32];
    means[static_cast<size_t>(draw)] = sum / static_cast<double>(count);
  }
  std::ranges::sort(means);
  const auto at = [&](double share) { return means[static_cast<size_t>(share * (draws - 1))]; };
  return {.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(count),
          .low = at(0.025),
          .high = at(0.975)};
}

}  // namespace orrery::runners
