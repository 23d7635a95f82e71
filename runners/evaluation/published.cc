// SPDX-License-Identifier: Apache-2.0
#include "runners/evaluation/published.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace orrery::runners {
namespace {

constexpr std::string_view kBenchmarks[] = {"math500",     "aime24", "amc23",     "olympiadbench",
                                            "collegemath", "gsm8k",  "gaokaoen23"};

struct Row {
  const char* system;
  std::array<double, std::size(kBenchmarks)> percent;
};

constexpr Row kRows[] = {
    {"Qwen2.5-Math-7B, greedy", {58.8, 0.0, 22.5, 21.8, 41.6, 91.6, 51.7}},
    {"its policy of round 1, greedy", {69.6, 3.3, 30.0, 34.7, 44.5, 88.4, 57.4}},
    {"round 2, greedy", {73.6, 10.0, 35.0, 39.0, 45.7, 89.1, 59.7}},
    {"round 3, greedy", {75.8, 16.7, 45.0, 44.1, 49.6, 89.3, 62.8}},
    {"round 4, greedy", {78.4, 26.7, 47.5, 47.1, 52.5, 89.7, 65.7}},
    {"round 4, best of N by an outcome reward model", {82.6, 26.7, 65.0, 55.1, 55.5, 92.3, 72.5}},
    {"round 4, search with PQM", {88.2, 46.7, 85.0, 62.9, 57.6, 94.6, 79.5}},
    {"round 1, search with PPM", {75.2, 10.0, 57.5, 35.7, 45.4, 90.9, 60.3}},
    {"round 2, search with PPM", {86.6, 43.3, 75.0, 59.4, 55.6, 94.0, 76.4}},
    {"round 3, search with PPM", {87.0, 46.7, 80.0, 61.6, 56.5, 94.2, 77.1}},
    {"round 4, search with PPM", {89.4, 50.0, 87.5, 65.3, 59.0, 95.0, 80.5}},
};

}  // namespace

std::vector<PublishedRow> PublishedRows(std::string_view benchmark) {
  const auto* found = std::ranges::find(kBenchmarks, benchmark);
  std::vector<PublishedRow> rows;
  if (found == std::end(kBenchmarks)) return rows;
  for (const Row& row : kRows) rows.push_back({row.system, row.percent[static_cast<size_t>(found - kBenchmarks)]});
  return rows;
}

}  // namespace orrery::runners
