// SPDX-License-Identifier: Apache-2.0
#include "runners/sweeps/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "runners/campaigns/outputs.h"
#include "runners/common/plots.h"
#include "runners/sweeps/outputs.h"
#include "store/html.h"

namespace orrery::runners {
namespace {

using store::Escape;
using store::Grouped;

constexpr size_t kRows = 60;      // settings drawn at most
constexpr size_t kCells = 2'000;  // cells listed at most

std::optional<double> NumberOf(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Whisker SolvedRow(const Sweep& sweep, size_t i, const std::vector<CellResult>& results, const PointResult& point) {
  Whisker row{.label = sweep.points[i].name, .strong = i == sweep.baseline};
  if (point.cells == 0) return row;
  row.value = 100 * point.solved.mean;
  row.low = point.solved.deviation ? std::max(0.0, 100 * point.solved.low) : *row.value;
  row.high = point.solved.deviation ? std::min(100.0, 100 * point.solved.high) : *row.value;
  for (size_t k = 0; k < results.size(); ++k) {
    if (sweep.cells[k].point == i && results[k].state == CellState::kFinished)
      row.dots.push_back(100 * results[k].share());
  }
  return row;
}

std::string PointPlots(const Sweep& sweep, const std::vector<CellResult>& results,
                       const std::vector<PointResult>& points) {
  std::vector<Whisker> solved, against;
  for (size_t i = 0; i < points.size() && i < kRows; ++i) {
    solved.push_back(SolvedRow(sweep, i, results, points[i]));
    if (i == sweep.baseline) continue;
    Whisker row{.label = sweep.points[i].name};
    const Paired& paired = points[i].paired;
    if (paired.problems > 0) row.value = 100 * paired.mean, row.low = 100 * paired.low, row.high = 100 * paired.high;
    against.push_back(std::move(row));
  }
  std::string html = "<section><h2>Solved by setting</h2>\n";
  html += DrawWhiskers(solved, false, "Percent solved by setting, with intervals");
  html +=
      "<p class=\"quiet small\">A square is the mean over the seeds, a circle one seed, a line the 95% interval by "
      "Student's t; the baseline's name is bold.</p>\n";
  if (points.size() > kRows)
    html += fmt::format("<p class=\"quiet small\">And {} more settings in table.md.</p>\n", points.size() - kRows);
  html += "</section>\n";
  if (against.empty()) return html;
  html += fmt::format("<section><h2>Against the baseline {}</h2>\n", Escape(sweep.points[sweep.baseline].name));
  html += DrawWhiskers(against, true, "Difference to the baseline in percentage points, with intervals");
  html +=
      "<p class=\"quiet small\">Difference on the same problems and seeds, in percentage points, with the 95% "
      "interval by bootstrap over the problems.</p></section>\n";
  return html;
}

PlotPoint PointOf(const PointResult& point, double x, const std::string& name) {
  PlotPoint plot{.x = x, .y = 100 * point.solved.mean, .low = 100 * point.solved.mean, .high = 100 * point.solved.mean};
  if (point.solved.deviation) {
    plot.low = std::max(0.0, 100 * point.solved.low);
    plot.high = std::min(100.0, 100 * point.solved.high);
  }
  plot.tip = fmt::format("{}: {:.1f}% solved, {:.0f} tokens a problem", name, plot.y, point.tokens.mean);
  return plot;
}

// For each axis of numbers: solved over its values, a line for each setting of the other axes.
std::string AxisPlots(const Sweep& sweep, const std::vector<PointResult>& points) {
  std::string html;
  for (size_t a = 0; a < sweep.axes.size(); ++a) {
    const Axis& axis = sweep.axes[a];
    const bool numbers =
        std::ranges::all_of(axis.values, [](const auto& value) { return NumberOf(value).has_value(); });
    if (axis.values.size() < 2 || !numbers) continue;
    std::vector<PlotSeries> series;
    for (size_t i = 0; i < points.size(); ++i) {
      std::string label;
      for (size_t k = 0; k < sweep.axes.size(); ++k) {
        if (k != a) label += (label.empty() ? "" : ",") + sweep.axes[k].label + "=" + sweep.points[i].values[k];
      }
      auto one = std::ranges::find(series, label, &PlotSeries::label);
      if (one == series.end()) one = series.insert(one, {.label = label, .points = {}});
      if (points[i].cells > 0)
        one->points.push_back(PointOf(points[i], *NumberOf(sweep.points[i].values[a]), sweep.points[i].name));
    }
    if (series.size() > kMostSeries) continue;  // more could not be told apart
    for (PlotSeries& one : series) std::ranges::sort(one.points, {}, &PlotPoint::x);
    html += fmt::format("<section><h2>Solved over {}</h2>\n", Escape(axis.key));
    const std::string solved_over = "Percent solved over " + axis.key;
    html += DrawSeries(series, {.x_label = axis.key, .title = solved_over, .joined = true}) + "</section>\n";
  }
  return html;
}

std::string CostPlot(const Sweep& sweep, const std::vector<PointResult>& points) {
  PlotSeries all;
  for (size_t i = 0; i < points.size(); ++i) {
    if (points[i].cells > 0) all.points.push_back(PointOf(points[i], points[i].tokens.mean, sweep.points[i].name));
  }
  if (all.points.size() < 2) return "";
  return "<section><h2>Solved over what it costs</h2>\n" +
         DrawSeries({all}, {.x_label = "tokens generated a problem", .title = "Percent solved over tokens a problem"}) +
         "<p class=\"quiet small\">A point is a setting; its name is shown when the pointer rests on it, and in the "
         "table.</p></section>\n";
}

std::string TableSection(const Sweep& sweep, const std::vector<PointResult>& points) {
  std::string html = "<section><h2>Settings</h2><div class=\"scroll\"><table><thead><tr>";
  for (const Axis& axis : sweep.axes) html += fmt::format("<th scope=\"col\">{}</th>", Escape(axis.label));
  for (const char* head : {"cells", "solved", "s.d.", "95% interval", "against baseline", "95% interval",
                           "better, worse", "tokens a problem"})
    html += fmt::format("<th scope=\"col\" class=\"number\">{}</th>", head);
  html += "</tr></thead><tbody>\n";
  for (size_t i = 0; i < points.size(); ++i) {
    const PointResult& point = points[i];
    html += "<tr>";
    for (const std::string& value : sweep.points[i].values)
      html += fmt::format("<td><code>{}</code></td>", Escape(value));
    const auto cell = [&](const std::string& text) { html += fmt::format("<td class=\"number\">{}</td>", text); };
    cell(fmt::format("{} of {}", point.cells, sweep.seeds.size()));
    cell(point.cells == 0 ? "–" : PercentText(point.solved.mean) + "%");
    cell(!point.solved.deviation ? "–" : PercentText(*point.solved.deviation));
    cell(!point.solved.deviation
             ? "–"
             : fmt::format("{} to {}", PercentText(point.solved.low), PercentText(point.solved.high)));
    if (i == sweep.baseline) {
      html += "<td class=\"number\">baseline</td><td></td><td></td>";
    } else if (point.paired.problems == 0) {
      html += "<td class=\"number\">–</td><td class=\"number\">–</td><td class=\"number\">–</td>";
    } else {
      cell(fmt::format("{:+.1f}", 100 * point.paired.mean));
      cell(fmt::format("{:+.1f} to {:+.1f}", 100 * point.paired.low, 100 * point.paired.high));
      cell(fmt::format("{}, {}", point.paired.better, point.paired.worse));
    }
    cell(point.cells == 0 ? "–" : fmt::format("{:.0f}", point.tokens.mean));
    html += "</tr>\n";
  }
  return html + fmt::format("</tbody></table></div><p class=\"quiet small\">{}</p></section>\n", Escape(MethodText()));
}

std::string CellSection(const Sweep& sweep, const std::vector<CellResult>& results) {
  std::string html =
      "<section><h2>Cells</h2><div class=\"scroll\"><table><thead><tr><th scope=\"col\">cell</th><th "
      "scope=\"col\">state</th><th scope=\"col\" class=\"number\">solved</th><th scope=\"col\" "
      "class=\"number\">tokens</th><th scope=\"col\">digest, or why it failed</th></tr></thead><tbody>\n";
  for (size_t i = 0; i < results.size() && i < kCells; ++i) {
    const CellResult& result = results[i];
    const bool done = result.state == CellState::kFinished;
    html += fmt::format(
        "<tr><td><code>{}</code></td><td class=\"{}\">{}</td><td class=\"number\">{}</td><td "
        "class=\"number\">{}</td><td><code>{}</code></td></tr>\n",
        Escape(sweep.cells[i].name), done ? "yes" : "no", Name(result.state),
        done ? fmt::format("{} of {}", result.right, result.solved.size()) : "", done ? Grouped(result.tokens) : "",
        Escape(done ? result.digest.substr(0, 16) : result.failure));
  }
  html += "</tbody></table></div>\n";
  if (results.size() > kCells)
    html += fmt::format("<p class=\"quiet small\">And {} more in cells.csv.</p>\n", Grouped(results.size() - kCells));
  return html + "</section>\n";
}

std::string Tile(const std::string& value, std::string_view label) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", Escape(value), label);
}

std::string Tiles(const Sweep& sweep, const std::vector<CellResult>& results, const std::vector<PointResult>& points) {
  uint64_t finished = 0, tokens = 0, failed = 0;
  for (const CellResult& result : results) {
    finished += result.state == CellState::kFinished ? 1 : 0;
    failed += result.state == CellState::kFailed ? 1 : 0;
    tokens += result.tokens;
  }
  std::string html = "<div class=\"tiles\">\n";
  html += Tile(fmt::format("{} of {}", Grouped(finished), Grouped(results.size())), "cells finished");
  html += Tile(Grouped(points.size()), "settings");
  html += Tile(Grouped(sweep.seeds.size()), "seeds");
  html += Tile(Grouped(tokens), "tokens generated");
  html += "</div>\n";
  if (failed > 0)
    html +=
        fmt::format("<p class=\"alarm\" role=\"alert\">⚠ {} cells failed and are in no figure below.</p>\n", failed);
  return html;
}

}  // namespace

std::string SweepPage(const Sweep& sweep, const std::vector<CellResult>& results,
                      const std::vector<PointResult>& points) {
  std::string html = PageHead("Sweep");
  std::string keys;
  for (const Axis& axis : sweep.axes) keys += (keys.empty() ? "" : ", ") + axis.key;
  html += fmt::format("<h1>Sweep{}</h1><p class=\"quiet\">Orrery {} · baseline {}</p>\n",
                      keys.empty() ? "" : " over " + Escape(keys), kVersion, Escape(sweep.points[sweep.baseline].name));
  html += Tiles(sweep, results, points) + PointPlots(sweep, results, points) + AxisPlots(sweep, points);
  html += CostPlot(sweep, points) + TableSection(sweep, points) + CellSection(sweep, results);
  return html +
         fmt::format("<footer>Written by Orrery {}; needs nothing from the network.</footer>\n</main></body></html>\n",
                     kVersion);
}

}  // namespace orrery::runners
