// SPDX-License-Identifier: Apache-2.0
#include "runners/evaluation/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "runners/evaluation/published.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::ordered_json;

Json MeasuresOf(const Json& results) { return results.value("measures", Json::array()); }

// What a column is about: the model, its preference model, and the file of problems.
std::string ColumnName(const Json& results) {
  const auto name = [&](const char* key) {
    const std::filesystem::path path = results.value(key, "");
    // The folder that a training wrote is called "model": the one above it tells more.
    return path.filename() == "model" ? path.parent_path().filename().string() : path.filename().string();
  };
  const std::string ppm = name("ppm");
  return fmt::format("{}{}{} on {}", name("model"), ppm.empty() ? "" : " with ", ppm, name("problems"));
}

std::string Percents(const Json& measure) {
  return fmt::format("{:.1f} ({:.1f} to {:.1f})", 100 * measure.value("mean", 0.0), 100 * measure.value("low", 0.0),
                     100 * measure.value("high", 0.0));
}

std::string RowName(const Json& measure) {
  return fmt::format("{}, {}", measure.value("method", ""), measure.value("measure", ""));
}

}  // namespace

std::string ResultsTable(const Json& results, std::string_view benchmark) {
  std::string text = "| method | measure | percent | 95% interval |\n|---|---|---|---|\n";
  for (const Json& measure : MeasuresOf(results)) {
    text += fmt::format("| {} | {} | {:.1f} | {:.1f} to {:.1f} |\n", measure.value("method", ""),
                        measure.value("measure", ""), 100 * measure.value("mean", 0.0), 100 * measure.value("low", 0.0),
                        100 * measure.value("high", 0.0));
  }
  text += "\n| method | tokens | steps run | seconds |\n|---|---|---|---|\n";
  const Json costs = results.value("costs", Json::object());
  for (const auto& [method, cost] : costs.items()) {
    text += fmt::format("| {} | {} | {} | {:.0f} |\n", method, cost.value("tokens", 0), cost.value("steps", 0),
                        cost.value("seconds", 0.0));
  }
  std::string_view part;
  for (const PublishedRow& row : PublishedRows(benchmark)) {
    if (part.empty()) text += "\nPublished (arXiv 2501.04519): other models, all questions.\n";
    if (row.part != part) text += fmt::format("\n| {} | percent |\n|---|---|\n", row.part);
    part = row.part;
    text += fmt::format("| {} | {:.1f} |\n", row.system, row.percent);
  }
  return text;
}

std::string SideBySide(const std::vector<Json>& results) {
  std::vector<std::string> rows;
  std::string text = "| percent (95% interval) |", line = "|---|";
  for (const Json& each : results) {
    text += fmt::format(" {} |", ColumnName(each));
    line += "---|";
    for (const Json& measure : MeasuresOf(each)) {
      if (std::ranges::find(rows, RowName(measure)) == rows.end()) rows.push_back(RowName(measure));
    }
  }
  text += "\n" + line + "\n";
  for (const std::string& row : rows) {
    text += fmt::format("| {} |", row);
    for (const Json& each : results) {
      const Json measures = MeasuresOf(each);
      const auto found = std::ranges::find_if(measures, [&](const Json& measure) { return RowName(measure) == row; });
      text += fmt::format(" {} |", found == measures.end() ? "" : Percents(*found));
    }
    text += "\n";
  }
  return text;
}

}  // namespace orrery::runners
