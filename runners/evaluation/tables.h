// SPDX-License-Identifier: Apache-2.0
#pragma once

// An evaluation's results.json as tables in Markdown: of one evaluation with the published figures, and of several
// models or benchmarks side by side.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace orrery::runners {

// {"model", "ppm", "problems", "measures": [{"method", "measure", "mean", "low", "high"}], "costs": {METHOD: {"tokens",
// "steps", "seconds"}}}. `benchmark` as evaluate.benchmark.
std::string ResultsTable(const nlohmann::ordered_json& results, std::string_view benchmark);

// A column each, a row for every measure that one of them has.
std::string SideBySide(const std::vector<nlohmann::ordered_json>& results);

}  // namespace orrery::runners
