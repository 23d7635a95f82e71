// SPDX-License-Identifier: Apache-2.0
#include "runners/training/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/paths.h"
#include "runners/common/plots.h"
#include "store/html.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::json;

constexpr size_t kPoints = 200;  // of a curve: of more the means are drawn

struct Curves {
  PlotSeries loss{"learnt", {}}, validation{"kept for validation", {}};
  PlotSeries accuracy{"learnt", {}}, validation_accuracy{"kept for validation", {}};
  PlotSeries norm{"norm", {}}, rate{"rate", {}}, speed{"tokens a second", {}};
  double seconds = 0;
  uint64_t tokens = 0;
  int64_t steps = 0;
};

void Add(PlotSeries& series, double x, const Json& line, const char* key, double factor = 1) {
  const auto found = line.find(key);
  if (found == line.end() || !found->is_number()) return;
  const double y = factor * found->get<double>();
  series.points.push_back({.x = x, .y = y, .tip = fmt::format("{}: {:.4g}", x, y)});
}

// Steps and epochs in the order in which they were written; a step that was taken again after a kill is there twice,
// and its last line counts.
Curves Read(const std::filesystem::path& path) {
  std::map<int64_t, Json> steps;
  std::map<int64_t, std::pair<int64_t, Json>> epochs;  // at which step
  std::ifstream file(path);
  for (std::string text; std::getline(file, text);) {
    const Json line = Json::parse(text, nullptr, false);
    if (!line.is_object()) continue;
    if (line.contains("step")) steps[line.value("step", int64_t{0})] = line;
    if (line.contains("epoch"))
      epochs[line.value("epoch", int64_t{0})] = {steps.empty() ? 0 : steps.rbegin()->first, line};
  }
  Curves curves;
  for (const auto& [step, line] : steps) {
    const auto x = static_cast<double>(step);
    Add(curves.loss, x, line, "loss");
    Add(curves.accuracy, x, line, "accuracy", 100);
    Add(curves.norm, x, line, "norm");
    Add(curves.rate, x, line, "rate");
    const double seconds = line.value("seconds", 0.0);
    const uint64_t tokens = line.value("tokens", uint64_t{0});
    if (seconds > 0) curves.speed.points.push_back({.x = x, .y = static_cast<double>(tokens) / seconds});
    curves.seconds += seconds;
    curves.tokens += tokens;
    curves.steps = step;
  }
  for (const auto& [epoch, at] : epochs) {
    Add(curves.validation, static_cast<double>(at.first), at.second, "validation_loss");
    Add(curves.validation_accuracy, static_cast<double>(at.first), at.second, "validation_accuracy", 100);
  }
  return curves;
}

// Neighbours by their mean, so that at most kPoints are left.
PlotSeries Thinned(PlotSeries series) {
  const size_t run = (series.points.size() + kPoints - 1) / kPoints;
  if (run <= 1) return series;
  std::vector<PlotPoint> points;
  for (size_t first = 0; first < series.points.size(); first += run) {
    const size_t end = std::min(first + run, series.points.size());
    PlotPoint mean;
    for (size_t i = first; i < end; ++i) mean.x += series.points[i].x, mean.y += series.points[i].y;
    mean.x /= static_cast<double>(end - first), mean.y /= static_cast<double>(end - first);
    points.push_back(mean);
  }
  series.points = std::move(points);
  return series;
}

std::string Section(const std::string& name, std::vector<PlotSeries> series, bool percent) {
  std::erase_if(series, [](const PlotSeries& one) { return one.points.empty(); });
  if (series.empty()) return "";
  for (PlotSeries& one : series) one = Thinned(std::move(one));
  return fmt::format("<section><h2>{}</h2>\n{}</section>\n", name,
                     DrawSeries(series, {.x_label = "step",
                                         .title = name,
                                         .joined = true,
                                         .marks = series.back().points.size() <= 40,
                                         .percent = percent}));
}

std::string Tile(const std::string& value, const char* name) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", value, name);
}

}  // namespace

Status WriteTrainReport(const std::filesystem::path& folder, const std::string& title) {
  const Curves curves = Read(folder / "metrics.jsonl");
  std::string html = PageHead(title) + fmt::format("<h1>{}</h1>\n<div class=\"tiles\">\n", store::Escape(title));
  html += Tile(store::Grouped(static_cast<uint64_t>(curves.steps)), "steps");
  html += Tile(store::Grouped(curves.tokens), "tokens");
  html += Tile(store::Duration(curves.seconds), "in steps");
  if (!curves.loss.points.empty()) html += Tile(fmt::format("{:.4f}", curves.loss.points.back().y), "last loss");
  if (!curves.validation.points.empty()) {
    const auto best = std::ranges::min_element(curves.validation.points, {}, &PlotPoint::y);
    html += Tile(fmt::format("{:.4f}", best->y), "least validation loss");
  }
  html += "</div>\n";
  html += Section("Loss", {curves.loss, curves.validation}, false);
  html += Section("Pairs whose better side scored higher", {curves.accuracy, curves.validation_accuracy}, true);
  html += Section("Norm of the gradient, before clipping", {curves.norm}, false);
  html += Section("Rate", {curves.rate}, false);
  html += Section("Tokens a second", {curves.speed}, false);
  html += "</main></body></html>\n";
  return WriteFileAtomically(folder / "report.html", html);
}

}  // namespace orrery::runners
