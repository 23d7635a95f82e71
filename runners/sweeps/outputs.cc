// SPDX-License-Identifier: Apache-2.0
#include "runners/sweeps/outputs.h"

#include <nlohmann/json.hpp>

#include "base/paths.h"
#include "runners/campaigns/outputs.h"
#include "runners/sweeps/report.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::ordered_json;

// A field of a CSV file (RFC 4180).
std::string Field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

// A cell of a Markdown table.
std::string Cellular(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : c == '\n' ? std::string(" ") : std::string(1, c);
  return out;
}

std::string Signed(double share) {
  const std::string text = fmt::format("{:+.1f}", 100 * share);
  return text == "-0.0" ? "+0.0" : text;
}

std::string Number(double value) { return fmt::format("{}", value == 0 ? 0.0 : value); }

Json IntervalJson(const Spread& spread) {
  Json json = {{"mean", spread.mean}};
  if (!spread.deviation) return json;
  json["standard_deviation"] = *spread.deviation;
  json["low"] = spread.low;
  json["high"] = spread.high;
  return json;
}

Json PointJson(const Sweep& sweep, size_t i, const PointResult& point) {
  Json settings = Json::object();
  for (size_t k = 0; k < sweep.axes.size(); ++k) settings[sweep.axes[k].key] = sweep.points[i].values[k];
  Json json = {{"name", sweep.points[i].name}, {"settings", settings}, {"cells", point.cells}};
  if (point.cells > 0) {
    json["solved"] = IntervalJson(point.solved);
    json["tokens_per_problem"] = IntervalJson(point.tokens);
  }
  if (point.paired.problems > 0) {
    const Paired& paired = point.paired;
    json["against_baseline"] = {{"problems", paired.problems}, {"pairs", paired.pairs}, {"better", paired.better},
                                {"worse", paired.worse},       {"mean", paired.mean},   {"low", paired.low},
                                {"high", paired.high}};
  }
  return json;
}

Json CellJson(const Sweep& sweep, const Cell& cell, const CellResult& result) {
  Json json = {{"name", cell.name},
               {"point", sweep.points[cell.point].name},
               {"seed", cell.seed},
               {"state", Name(result.state)}};
  if (result.state == CellState::kFailed) json["failure"] = result.failure;
  if (result.state != CellState::kFinished) return json;
  json["fingerprint"] = result.fingerprint;
  json["digest"] = result.digest;
  json["model"] = result.model;
  json["problems"] = result.solved.size();
  json["solved"] = result.right;
  json["rollouts"] = result.rollouts;
  json["expansions"] = result.expansions;
  json["candidates"] = result.candidates;
  json["tokens_generated"] = result.tokens;
  json["steps_executed"] = result.steps;
  json["environmental_verdicts"] = result.environmental;
  return json;
}

// What the table does not say: which cells are not in it, and why.
std::string Missing(const Sweep& sweep, const std::vector<CellResult>& results) {
  std::string failed;
  size_t open = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].state == CellState::kFailed)
      failed += fmt::format("- {}: {}\n", sweep.cells[i].name, results[i].failure);
    if (results[i].state == CellState::kWaiting || results[i].state == CellState::kUnfinished) ++open;
  }
  std::string text;
  if (open > 0) text += fmt::format("\n{} of {} cells are not finished yet.\n", open, results.size());
  if (!failed.empty()) text += "\nFailed, and not in the table:\n\n" + failed;
  return text;
}

}  // namespace

std::string PercentText(double share) {
  const std::string text = fmt::format("{:.1f}", 100 * share);
  return text == "-0.0" ? "0.0" : text;
}

std::string MethodText() {
  return "Solved: percent of the problems, mean over the seeds; its interval by Student's t over the seeds. Against "
         "the "
         "baseline: difference in percentage points on the same problems and seeds; its interval by 10,000 bootstrap "
         "resamples of the problems. Better and worse: pairs of problem and seed that only this setting, or only the "
         "baseline, solved.";
}

std::string TableText(const Sweep& sweep, const std::vector<CellResult>& results,
                      const std::vector<PointResult>& points) {
  std::string head = "|", rule = "|";
  for (const Axis& axis : sweep.axes) {
    head += fmt::format(" {} |", Cellular(axis.label));
    rule += "---|";
  }
  std::string text = head +
                     " cells | solved % | s.d. | 95% interval | against baseline | 95% interval | better, worse | "
                     "tokens a problem |\n" +
                     rule + "---|---|---|---|---|---|---|---|\n";
  for (size_t i = 0; i < points.size(); ++i) {
    const PointResult& point = points[i];
    text += "|";
    for (const std::string& value : sweep.points[i].values) text += fmt::format(" {} |", Cellular(value));
    text += fmt::format(" {} of {} |", point.cells, sweep.seeds.size());
    if (point.cells == 0) {
      text += " – | – | – | – | – | – | – |\n";
      continue;
    }
    text += fmt::format(" {} |", PercentText(point.solved.mean));
    if (point.solved.deviation) {
      text += fmt::format(" {} | {} to {} |", PercentText(*point.solved.deviation), PercentText(point.solved.low),
                          PercentText(point.solved.high));
    } else {
      text += " – | – |";
    }
    if (i == sweep.baseline) {
      text += " baseline | | |";
    } else if (point.paired.problems == 0) {
      text += " – | – | – |";
    } else {
      text += fmt::format(" {} | {} to {} | {}, {} |", Signed(point.paired.mean), Signed(point.paired.low),
                          Signed(point.paired.high), point.paired.better, point.paired.worse);
    }
    text += fmt::format(" {:.0f} |\n", point.tokens.mean);
  }
  return text + "\n" + MethodText() + "\n" + Missing(sweep, results);
}

std::string TableCsv(const Sweep& sweep, const std::vector<PointResult>& points) {
  std::string text;
  for (const Axis& axis : sweep.axes) text += Field(axis.key) + ",";
  text +=
      "baseline,cells,solved,solved_sd,solved_low,solved_high,difference,difference_low,difference_high,pairs,better,"
      "worse,tokens_per_problem\r\n";
  for (size_t i = 0; i < points.size(); ++i) {
    const PointResult& point = points[i];
    for (const std::string& value : sweep.points[i].values) text += Field(value) + ",";
    text += fmt::format("{},{},", i == sweep.baseline ? 1 : 0, point.cells);
    text += point.cells == 0 ? "," : Number(point.solved.mean) + ",";
    text += !point.solved.deviation ? ",,,"
                                    : fmt::format("{},{},{},", Number(*point.solved.deviation),
                                                  Number(point.solved.low), Number(point.solved.high));
    const Paired& paired = point.paired;
    text += paired.problems == 0 ? ",,,,,,"
                                 : fmt::format("{},{},{},{},{},{},", Number(paired.mean), Number(paired.low),
                                               Number(paired.high), paired.pairs, paired.better, paired.worse);
    text += (point.cells == 0 ? "" : Number(point.tokens.mean)) + "\r\n";
  }
  return text;
}

std::string CellsCsv(const Sweep& sweep, const std::vector<CellResult>& results) {
  std::string text;
  for (const Axis& axis : sweep.axes) text += Field(axis.key) + ",";
  text +=
      "seed,state,problems,solved,rollouts,expansions,candidates,tokens_generated,steps_executed,environmental_"
      "verdicts,"
      "digest\r\n";
  for (size_t i = 0; i < results.size(); ++i) {
    const CellResult& result = results[i];
    for (const std::string& value : sweep.points[sweep.cells[i].point].values) text += Field(value) + ",";
    text += fmt::format("{},{}", sweep.cells[i].seed, Name(result.state));
    text += result.state != CellState::kFinished
                ? ",,,,,,,,,"
                : fmt::format(",{},{},{},{},{},{},{},{},{}", result.solved.size(), result.right, result.rollouts,
                              result.expansions, result.candidates, result.tokens, result.steps, result.environmental,
                              result.digest);
    text += "\r\n";
  }
  return text;
}

std::string SweepJson(const Sweep& sweep, const std::vector<CellResult>& results,
                      const std::vector<PointResult>& points) {
  Json json = {{"version", kVersion}, {"baseline", sweep.points[sweep.baseline].name}, {"seeds", sweep.seeds}};
  json["grid"] = Json::object();
  for (const Axis& axis : sweep.axes) json["grid"][axis.key] = axis.values;
  json["points"] = Json::array();
  for (size_t i = 0; i < points.size(); ++i) json["points"].push_back(PointJson(sweep, i, points[i]));
  json["cells"] = Json::array();
  for (size_t i = 0; i < results.size(); ++i) json["cells"].push_back(CellJson(sweep, sweep.cells[i], results[i]));
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

StatusOr<std::string> WriteSweep(const std::filesystem::path& out, const Sweep& sweep,
                                 const std::vector<CellResult>& results) {
  const std::vector<PointResult> points = Analyse(sweep, results);
  std::string measured = "cell,seconds,tokens_per_second\r\n";
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].state != CellState::kFinished) continue;
    measured += fmt::format("{},{:.2f},{:.1f}\r\n", Field(sweep.cells[i].name), results[i].seconds,
                            results[i].tokens_per_second);
  }
  const std::string table = TableText(sweep, results, points);
  ORRERY_RETURN_IF_ERROR(WriteFileAtomically(out / "measured.csv", measured));
  ORRERY_RETURN_IF_ERROR(WriteFileAtomically(out / "table.md", table));
  ORRERY_RETURN_IF_ERROR(WriteFileAtomically(out / "table.csv", TableCsv(sweep, points)));
  ORRERY_RETURN_IF_ERROR(WriteFileAtomically(out / "cells.csv", CellsCsv(sweep, results)));
  ORRERY_RETURN_IF_ERROR(WriteFileAtomically(out / "report.html", SweepPage(sweep, results, points)));
  // Last, so that a folder with it has all the rest.
  ORRERY_RETURN_IF_ERROR(WriteFileAtomically(out / "sweep.json", SweepJson(sweep, results, points)));
  return table;
}

}  // namespace orrery::runners
