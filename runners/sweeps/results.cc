// SPDX-License-Identifier: Apache-2.0
#include "runners/sweeps/results.h"

#include <nlohmann/json.hpp>

#include "actors/context.h"
#include "base/paths.h"
#include "runners/common/settings.h"
#include "store/summary.h"

namespace orrery::runners {

std::string_view Name(CellState state) {
  switch (state) {
    case CellState::kWaiting: return "waiting";
    case CellState::kUnfinished: return "unfinished";
    case CellState::kFailed: return "failed";
    case CellState::kFinished: return "finished";
  }
  return "?";
}

namespace {

// A number of what a campaign measured; 0 where it is not there.
double Measured(const nlohmann::json& summary, const char* name) {
  const auto measured = summary.is_object() ? summary.find("measured") : summary.end();
  if (measured == summary.end() || !measured->is_object()) return 0;
  const auto value = measured->find(name);
  return value != measured->end() && value->is_number() ? value->get<double>() : 0;
}

}  // namespace

StatusOr<CellResult> ReadCell(const schema::ResolvedConfig& config) {
  const std::filesystem::path out = CallerPath(config->run()->out()->str());
  ORRERY_ASSIGN_OR_RETURN(const auto store, store::Store::OpenReadOnly(out / "store"));
  ORRERY_ASSIGN_OR_RETURN(const auto set, LoadProblemsOf(*config));
  CellResult result{.state = CellState::kFinished};
  std::vector<store::ProblemName> names;
  for (const auto& problem : set.problems) {
    names.push_back({problem.id, actors::ProblemKey(problem)});
    ORRERY_ASSIGN_OR_RETURN(const auto tree, store->Tree(names.back().key));
    if (!tree) return Corrupt("{}: problem {} has no record", out.string(), problem.id);
    result.solved[names.back().key] = (*tree)->solved();
  }
  ORRERY_ASSIGN_OR_RETURN(const store::Summary summary, store::Summarise(*store, names, store->fingerprint()));
  result.digest = summary.digest;
  result.fingerprint = summary.fingerprint;
  result.model = config->model()->name()->str();
  for (const auto& [key, right] : result.solved) result.right += right ? 1 : 0;
  result.rollouts = summary.rollouts;
  result.expansions = summary.expansions;
  result.candidates = summary.candidates;
  result.tokens = summary.tokens_generated;
  result.steps = summary.steps_executed;
  result.environmental = summary.time_outs + summary.memory_limits + summary.grader_time_outs;
  ORRERY_ASSIGN_OR_RETURN(const std::string text, ReadFile(out / "summary.json"));
  const auto written = nlohmann::json::parse(text, nullptr, false);
  result.seconds = Measured(written, "seconds");
  result.tokens_per_second = Measured(written, "tokens_per_second");
  return result;
}

std::vector<PointResult> Analyse(const Sweep& sweep, const std::vector<CellResult>& results) {
  std::vector<std::map<uint64_t, Solved>> solved(sweep.points.size());
  std::vector<std::vector<double>> shares(sweep.points.size()), tokens(sweep.points.size());
  for (size_t i = 0; i < sweep.cells.size(); ++i) {
    const CellResult& result = results[i];
    if (result.state != CellState::kFinished || result.solved.empty()) continue;
    const Cell& cell = sweep.cells[i];
    solved[cell.point][cell.seed] = result.solved;
    shares[cell.point].push_back(result.share());
    tokens[cell.point].push_back(static_cast<double>(result.tokens) / static_cast<double>(result.solved.size()));
  }
  std::vector<PointResult> points(sweep.points.size());
  for (size_t i = 0; i < points.size(); ++i) {
    points[i].cells = shares[i].size();
    points[i].solved = SpreadOf(shares[i]);
    points[i].tokens = SpreadOf(tokens[i]);
    if (i != sweep.baseline) points[i].paired = Compare(solved[i], solved[sweep.baseline]);
  }
  return points;
}

}  // namespace orrery::runners
