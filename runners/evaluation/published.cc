// SPDX-License-Identifier: Apache-2.0
#include "runners/evaluation/published.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace orrery::runners {
namespace {

constexpr std::string_view kBenchmarks[] = {"math500",     "aime24", "amc23",     "olympiadbench",
                                            "collegemath", "gsm8k",  "gaokaoen23"};
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

struct Row {
  std::string_view part, system;
  double percent[std::size(kBenchmarks)];
};

constexpr std::string_view kGreedy = "the policy alone, greedy (Qwen2.5-Math-7B where nothing else is said)";
constexpr std::string_view kPpm = "search, PPMs of four rounds under the policy of round 1";
constexpr std::string_view kSearch = "search, policy and PPM of the same round; trajectories";
constexpr std::string_view kReward = "reward models on the data of round 4";
constexpr std::string_view kData = "the same base model on other training data, greedy";
constexpr std::string_view kOthers = "other systems";

constexpr Row kRows[] = {
    {kGreedy, "DeepSeek-Coder-V2-Instruct", {75.3, 13.3, 57.5, 37.6, 46.2, 94.9, 64.7}},
    {kGreedy, "base model", {58.8, 0.0, 22.5, 21.8, 41.6, 91.6, 51.7}},
    {kGreedy, "round 1", {69.6, 3.3, 30.0, 34.7, 44.5, 88.4, 57.4}},
    {kGreedy, "round 2", {73.6, 10.0, 35.0, 39.0, 45.7, 89.1, 59.7}},
    {kGreedy, "round 3", {75.8, 16.7, 45.0, 44.1, 49.6, 89.3, 62.8}},
    {kGreedy, "round 4", {78.4, 26.7, 47.5, 47.1, 52.5, 89.7, 65.7}},
    {kGreedy, "Qwen2.5-Math-1.5B on the data of round 4", {74.8, 13.3, 47.5, 42.5, 50.1, 83.1, 58.7}},
    {kGreedy, "Qwen2-Math-7B on the data of round 4", {73.8, 16.7, 45.0, 43.9, 52.0, 88.3, 65.2}},
    {kGreedy, "Phi3-mini on the data of round 4", {68.0, 10.0, 37.5, 36.6, 48.7, 87.9, 53.2}},
    {kPpm, "PPM of round 1", {75.2, 10.0, 57.5, 35.7, 45.4, 90.9, 60.3}},
    {kPpm, "PPM of round 2", {84.1, 26.7, 75.0, 52.7, 54.2, 93.3, 73.0}},
    {kPpm, "PPM of round 3", {85.2, 33.3, 77.5, 59.5, 55.6, 93.9, 76.6}},
    {kPpm, "PPM of round 4", {87.0, 43.3, 77.5, 61.5, 56.8, 94.2, 77.8}},
    {kSearch, "round 1", {75.2, 10.0, 57.5, 35.7, 45.4, 90.9, 60.3}},
    {kSearch, "round 2", {86.6, 43.3, 75.0, 59.4, 55.6, 94.0, 76.4}},
    {kSearch, "round 3", {87.0, 46.7, 80.0, 61.6, 56.5, 94.2, 77.1}},
    {kSearch, "round 4, 8 (16 for AIME and AMC)", {89.4, 50.0, 87.5, 65.3, 59.0, 95.0, 80.5}},
    {kSearch, "round 4, 64", {90.0, 53.3, kNone, 65.6, 60.5, kNone, kNone}},
    {kSearch, "Qwen2.5-Math-1.5B, 8", {87.8, 46.7, 80.0, 63.5, 59.0, 94.3, 77.7}},
    {kSearch, "Qwen2.5-Math-1.5B, 64", {88.6, 46.7, 85.0, 64.6, 59.3, 94.8, 79.5}},
    {kSearch, "Qwen2-Math-7B, 8", {88.2, 43.3, 80.0, 63.1, 58.4, 94.6, 78.2}},
    {kSearch, "Qwen2-Math-7B, 64", {88.6, 46.7, 85.0, 63.4, 59.3, 94.8, 79.2}},
    {kSearch, "Phi3-mini, 8", {85.4, 40.0, 77.5, 59.3, 58.0, 94.5, 77.1}},
    {kSearch, "Phi3-mini, 64", {86.4, 43.3, 80.0, 60.3, 59.1, 94.7, 77.7}},
    {kReward, "ORM, best of N", {82.6, 26.7, 65.0, 55.1, 55.5, 92.3, 72.5}},
    {kReward, "PQM, search", {88.2, 46.7, 85.0, 62.9, 57.6, 94.6, 79.5}},
    {kReward, "PPM, search", {89.4, 50.0, 87.5, 65.3, 59.0, 95.0, 80.5}},
    {kData, "MetaMath", {55.2, 3.3, 32.5, 19.1, 39.2, 85.1, 43.6}},
    {kData, "NuminaMath-CoT", {69.6, 10.0, 50.0, 37.2, 43.4, 89.8, 59.5}},
    {kData, "random samples of the policy of round 3", {72.4, 10.0, 45.0, 41.0, 48.0, 87.5, 57.1}},
    {kData, "rejection sampling (32, ORM)", {73.4, 13.3, 47.5, 44.7, 50.8, 89.3, 61.7}},
    {kData, "step-by-step verified", {78.4, 26.7, 47.5, 47.1, 52.5, 89.7, 65.7}},
    {kOthers, "GPT-4o", {76.6, 9.3, kNone, 43.3, 48.5, kNone, kNone}},
    {kOthers, "o1-preview", {85.5, 44.6, kNone, kNone, kNone, kNone, kNone}},
    {kOthers, "o1-mini", {90.0, 56.7, kNone, 65.3, 57.8, kNone, kNone}},
    {kOthers, "QwQ-32B-preview", {90.6, 50.0, kNone, 61.2, 55.8, kNone, kNone}},
    {kOthers, "DeepSeek-V3", {90.2, 39.2, kNone, 55.4, 58.9, kNone, kNone}},
    {kOthers, "Qwen2.5-Math-7B-Instruct", {82.6, 6.0, 62.5, 41.6, 46.8, 95.2, 66.8}},
    {kOthers, "Qwen2.5-Math-72B-Instruct", {85.6, 30.0, 70.0, 49.0, 49.5, 95.9, 71.9}},
    {kOthers, "Qwen2.5-Math-72B-Instruct with its 72B ORM", {85.8, 36.7, 72.5, 54.5, 50.6, 96.4, 76.9}},
};

}  // namespace

std::vector<PublishedRow> PublishedRows(std::string_view benchmark) {
  const auto* found = std::ranges::find(kBenchmarks, benchmark);
  std::vector<PublishedRow> rows;
  if (found == std::end(kBenchmarks)) return rows;
  for (const Row& row : kRows) {
    const double percent = row.percent[found - kBenchmarks];
    if (!std::isnan(percent)) rows.push_back({row.part, row.system, percent});
  }
  return rows;
}

}  // namespace orrery::runners
