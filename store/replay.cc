// SPDX-License-Identifier: Apache-2.0
#include "store/replay.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "search/select.h"
#include "store/beam.h"

namespace orrery::store {
namespace {

using schema::Terminal;

// A candidate as its node sees it.
struct Row {
  search::Child stats;
  Terminal end = Terminal::None;
  bool right = false;
  std::optional<double> score;  // the preference model's
  int child = -1;               // index in the walk's nodes
};

struct Node {
  Path path;
  bool expanded = false;
  bool dead = false;
  std::vector<Row> rows;
  uint32_t visits = 0;
  uint32_t virtual_visits = 0;

  bool Exhausted() const {
    return dead || std::ranges::all_of(rows, [](const Row& row) { return !row.stats.valid || row.stats.exhausted; });
  }
};

using Expansions = std::map<Path, const schema::Expansion*>;

Expansions ExpansionsOf(const schema::TreeRecord& record) {
  Expansions expansions;
  if (record.expansions() != nullptr) {
    for (const auto* expansion : *record.expansions()) expansions[PathOf(*expansion)] = expansion;
  }
  return expansions;
}

// The nodes of actors/node.h without the actors: each hears rollouts from its parent alone, in rollout order, so that
// one after the other they find what they found at once.
class Walk {
 public:
  Walk(const schema::TreeRecord& record, const search::Rules& rules)
      : rules_(rules), expansions_(ExpansionsOf(record)) {
    Add({}, std::nullopt);
  }

  RolloutEnd Descend() {
    for (int at = 0;;) {
      Node& node = nodes_[static_cast<size_t>(at)];
      ++node.virtual_visits;
      if (node.dead) return {node.path, node.expanded ? Terminal::DeadEnd : Terminal::DepthLimit, false};
      const auto best = Choose(node);
      if (!best) return {node.path, Terminal::None, false};
      Row& row = node.rows[*best];
      ++row.stats.virtual_visits;
      Path path = node.path;
      path.push_back(static_cast<uint8_t>(*best));
      if (row.end != Terminal::None) return {std::move(path), row.end, row.right, row.score};
      if (row.child < 0) row.child = static_cast<int>(nodes_.size());
      at = row.child;
      // The references above end here.
      if (at == static_cast<int>(nodes_.size())) Add(std::move(path), row.score);
    }
  }

  // Whether no new path is left.
  bool BackUp(const RolloutEnd& end) {
    const bool itself_only = end.end != Terminal::Answered && rules_.dead_end == search::DeadEndBackup::kItself;
    return BackUp(0, end, itself_only);
  }

 private:
  void Add(Path path, std::optional<double> score) {
    Node& node = nodes_.emplace_back();
    const auto found = expansions_.find(path);
    node.expanded = found != expansions_.end();
    if (node.expanded) node.rows = RowsOf(*found->second, path.size());
    node.dead = std::ranges::none_of(node.rows, [](const Row& row) { return row.stats.valid; });
    node.visits = rules_.scored && score ? 1 : 0;
    node.path = std::move(path);
  }

  std::vector<Row> RowsOf(const schema::Expansion& expansion, size_t depth) const {
    std::vector<Row> rows;
    for (const schema::Candidate* candidate : *expansion.candidates()) {
      Row& row = rows.emplace_back();
      row.stats.valid = candidate->valid();
      row.stats.prior = std::exp(candidate->log_probability() /
                                 std::max(candidate->tokens() / std::max<uint32_t>(candidate->merged(), 1), 1u));
      if (candidate->score()) row.score = *candidate->score();
      if (rules_.scored && row.score) {
        row.stats.visits = 1;
        row.stats.value_sum = *row.score;
      }
      if (candidate->kind() == schema::StepKind::Answer) {
        row.end = Terminal::Answered;
        row.right = candidate->grade() == schema::Grade::Equal;
      } else if (depth + 1 >= static_cast<size_t>(rules_.max_depth)) {
        row.end = Terminal::DepthLimit;
      }
    }
    return rows;
  }

  std::optional<size_t> Choose(const Node& node) const {
    std::vector<search::Child> children;
    for (const Row& row : node.rows) {
      children.push_back(row.stats);
      if (row.end != Terminal::None && row.stats.virtual_visits > 0) children.back().exhausted = true;
    }
    return search::SelectChild(children, node.visits + node.virtual_visits, rules_);
  }

  bool BackUp(int at, const RolloutEnd& end, bool itself_only) {
    Node& node = nodes_[static_cast<size_t>(at)];
    const size_t depth = node.path.size();
    const bool kept = end.end != Terminal::None, on_the_way = depth < end.path.size();
    --node.virtual_visits;
    if (kept && (!itself_only || !on_the_way)) ++node.visits;
    if (!on_the_way) return node.Exhausted();
    Row& row = node.rows[end.path[depth]];
    --row.stats.virtual_visits;
    if (kept && (!itself_only || depth + 1 == end.path.size())) {
      ++row.stats.visits;
      row.stats.value_sum += search::ValueOf(rules_, EndOf(end.end), end.right, end.score);
    }
    row.stats.exhausted = row.child < 0 || BackUp(row.child, end, itself_only);
    return node.Exhausted();
  }

  const search::Rules& rules_;
  Expansions expansions_;
  std::vector<Node> nodes_;
};

Replay ReplayBeams(const schema::TreeRecord& record, const search::Rules& rules) {
  const Expansions expansions = ExpansionsOf(record);
  Beam beam(rules);
  while (!beam.frontier().empty()) {
    beam.Advance([&](const Path& path) -> const schema::Expansion* {
      const auto found = expansions.find(path);
      return found == expansions.end() ? nullptr : found->second;
    });
  }
  return {.ends = beam.ends()};
}

}  // namespace

Replay ReplaySearch(const schema::TreeRecord& record, const search::Rules& rules) {
  if (rules.beams > 0) return ReplayBeams(record, rules);
  Walk walk(record, rules);
  Replay replay;
  bool solved = false;
  uint64_t started = 0, budget = record.budget();
  while (!replay.exhausted) {
    if (started == record.budget() && !solved) budget += record.extra_budget();
    if (started == uint64_t{record.budget()} + record.extra_budget() && !solved) budget += record.further_budget();
    const uint64_t size = std::min<uint64_t>(static_cast<uint64_t>(rules.wave), budget - started);
    if (size == 0) break;
    std::vector<RolloutEnd> wave;
    for (uint64_t i = 0; i < size; ++i) wave.push_back(walk.Descend());
    started += size;
    for (RolloutEnd& end : wave) {
      replay.exhausted = walk.BackUp(end);
      if (end.end == Terminal::None) continue;
      solved = solved || end.right;
      replay.ends.push_back(std::move(end));
    }
  }
  return replay;
}

}  // namespace orrery::store
