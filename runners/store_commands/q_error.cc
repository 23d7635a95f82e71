// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/q_error.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "runners/store_commands/run_store.h"
#include "store/convert.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::ordered_json;

struct Errors {
  uint64_t steps = 0, turned = 0;
  double sum = 0;

  void Add(double q, double truth) {
    ++steps;
    sum += std::abs(q - truth);
    turned += q * truth < 0 ? 1 : 0;
  }
  double mean() const { return steps == 0 ? 0 : sum / static_cast<double>(steps); }
};

using Paths = std::map<store::Path, const search::Node*>;

// Where each node of a tree stands.
Paths PathsOf(const search::Tree& tree) {
  std::vector<store::Path> paths(tree.nodes.size());
  Paths found;
  for (size_t i = 1; i < tree.nodes.size(); ++i) {
    paths[i] = paths[static_cast<size_t>(tree.nodes[i].parent)];
    paths[i].push_back(static_cast<uint8_t>(tree.nodes[i].candidate));
    found[paths[i]] = &tree.nodes[i];
  }
  return found;
}

// Answers know their value after one rollout: only what can still change is compared. By the largest power of two that
// is not above the visits.
void Compare(const search::Tree& few, const search::Tree& many, std::map<uint32_t, Errors>* by_visits) {
  const Paths truth = PathsOf(many);
  for (const auto& [path, node] : PathsOf(few)) {
    const auto same = truth.find(path);
    if (node->visits == 0 || node->end == search::End::kAnswered || same == truth.end()) continue;
    if (same->second->text != node->text || same->second->visits <= node->visits) continue;
    (*by_visits)[std::bit_floor(node->visits)].Add(node->q(), same->second->q());
  }
}

}  // namespace

StatusOr<int> CompareQ(const QErrorOptions& options) {
  ORRERY_ASSIGN_OR_RETURN(const auto with, OpenRun(options.with));
  ORRERY_ASSIGN_OR_RETURN(const auto against, OpenRun(options.against));
  std::map<uint32_t, Errors> by_visits;
  uint64_t problems = 0;
  Status failure;
  ORRERY_ASSIGN_OR_RETURN(
      const uint64_t unreadable,
      VisitTrees(*with, [&](std::string_view key, const store::TreeChunk&, const search::Tree& few) {
        const auto other = against->Tree(key);
        failure = other.status();
        if (!failure.ok()) return false;
        if (!*other) return true;
        const auto many = store::ToSearchTree(***other);
        failure = many.status();
        if (!failure.ok()) return false;
        ++problems;
        Compare(few, *many, &by_visits);
        return true;
      }));
  ORRERY_RETURN_IF_ERROR(failure);
  if (by_visits.empty()) {
    return NotFound("{} and {} share no step that the second visited more often ({} problems are in both)",
                    options.with.string(), options.against.string(), problems);
  }
  Json rows = Json::array();
  if (!options.json) fmt::print("{:>8} {:>8} {:>16} {:>14}\n", "visits", "steps", "mean error of Q", "turned sides");
  for (const auto& [visits, errors] : by_visits) {
    const double turned = static_cast<double>(errors.turned) / static_cast<double>(errors.steps);
    rows.push_back(
        {{"visits_from", visits}, {"steps", errors.steps}, {"mean_error", errors.mean()}, {"turned", turned}});
    if (!options.json)
      fmt::print("{:>8} {:>8} {:>16.3f} {:>13.1f}%\n", fmt::format("{}-{}", visits, 2 * visits - 1), errors.steps,
                 errors.mean(), 100 * turned);
  }
  if (options.json) fmt::print("{}\n", Json{{"problems", problems}, {"by_visits", rows}}.dump());
  return unreadable == 0 ? 0 : 1;
}

}  // namespace orrery::runners
