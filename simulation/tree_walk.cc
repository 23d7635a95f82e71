// SPDX-License-Identifier: Apache-2.0
#include "simulation/tree_walk.h"

#include <algorithm>
#include <utility>

namespace orrery::simulation {

TreeWalk::TreeWalk(const search::Rules& rules, const Profile& profile, uint64_t key, std::string_view level,
                   std::function<void(int)> expand)
    : rules_(rules),
      profile_(profile),
      key_(key),
      problem_(DrawProblem(profile, key, level)),
      expand_(std::move(expand)),
      budget_(rules.rollouts) {
  nodes_.emplace_back().place = {.key = key};
}

Place TreeWalk::PlaceOf(int node) const { return nodes_[static_cast<size_t>(node)].place; }

void TreeWalk::Wave() {
  if (started_ == rules_.rollouts && !solved_) budget_ += rules_.extra_rollouts_when_unsolved;
  if (started_ == rules_.rollouts + rules_.extra_rollouts_when_unsolved && !solved_)
    budget_ += rules_.further_rollouts_when_unsolved;
  const int size = std::min(rules_.wave, budget_ - started_);
  if (size <= 0 || exhausted_) {
    over_ = true;
    nodes_ = {};
    return;
  }
  wave_.assign(static_cast<size_t>(size), {});
  walking_ = size;
  started_ += size;
  for (size_t i = 0; i < static_cast<size_t>(size); ++i) Descend(0, i);
}

void TreeWalk::Descend(int node, size_t rollout) {
  while (node >= 0) {
    Node& here = At(node);
    ++here.virtual_visits;
    if (here.expanded && !here.dead) {
      node = Forward(node, rollout);
      continue;
    }
    if (here.tokens >= rules_.max_total_tokens) here.dead = true;
    if (here.dead) {
      const auto end = here.expanded ? search::End::kDeadEnd : search::End::kDepthLimit;
      return Ended(rollout, {.node = node, .end = end});
    }
    here.waiting.push_back(rollout);
    if (!std::exchange(here.expanding, true)) expand_(node);
    return;
  }
}

void TreeWalk::Expanded(int node, const std::vector<Candidate>& candidates) {
  Node& here = At(node);
  here.expanding = false;
  here.expanded = true;
  here.dead = std::ranges::none_of(candidates, &Candidate::valid);
  for (const Candidate& candidate : candidates) {
    Row& row = here.rows.emplace_back();
    row.stats.valid = candidate.valid;
    row.sample = candidate.sample;
    if (candidate.sample.kind == Kind::kAnswer) {
      row.end = search::End::kAnswered;
    } else if (here.place.depth + 1 >= rules_.max_depth) {
      row.end = search::End::kDepthLimit;
    }
  }
  for (const size_t rollout : std::exchange(here.waiting, {})) {
    if (At(node).dead) {
      Ended(rollout, {.node = node, .end = search::End::kDeadEnd});
    } else if (const int next = Forward(node, rollout); next >= 0) {
      Descend(next, rollout);
    }
  }
}

int TreeWalk::Forward(int node, size_t rollout) {
  Node& here = At(node);
  std::vector<search::Child> children;
  children.reserve(here.rows.size());
  for (const Row& row : here.rows) {
    children.push_back(row.stats);
    if (row.end != search::End::kNone && row.stats.virtual_visits > 0) children.back().exhausted = true;
  }
  const auto best = search::SelectChild(children, here.visits + here.virtual_visits, rules_);
  if (!best) {
    Ended(rollout, {.node = node});
    return -1;
  }
  Row& row = here.rows[*best];
  ++row.stats.virtual_visits;
  if (row.end != search::End::kNone) {
    const bool right = row.end == search::End::kAnswered && row.sample.right;
    Ended(rollout, {.node = node, .row = static_cast<int>(*best), .end = row.end, .right = right});
    return -1;
  }
  return Child(node, *best);
}

int TreeWalk::Child(int node, size_t row_index) {
  const int number = static_cast<int>(nodes_.size());
  Row& row = At(node).rows[row_index];
  if (row.child >= 0) return row.child;
  row.child = number;
  const bool complete = row.sample.kind == Kind::kFinal;
  Node child{.parent = node, .row = static_cast<int>(row_index)};
  child.place = {.key = key_,
                 .node = Mixed(row.sample.text, 5),
                 .depth = At(node).place.depth + 1,
                 .after_output = complete,
                 .right = row.sample.right};
  child.tokens = At(node).tokens + row.sample.tokens + (complete ? static_cast<int>(profile_.output_tokens) : 0);
  nodes_.push_back(std::move(child));
  return number;
}

void TreeWalk::Ended(size_t rollout, End end) {
  wave_[rollout] = end;
  if (--walking_ > 0) return;
  for (const End& each : wave_) BackUp(each);
  Wave();
}

void TreeWalk::BackUp(const End& end) {
  const bool kept = end.end != search::End::kNone;
  if (kept) {
    ++rollouts_;
    solved_ = solved_ || end.right;
  }
  const double value = search::ValueOf(rules_, end.end, end.right, std::nullopt);
  const bool itself_only = end.end != search::End::kAnswered && rules_.dead_end == search::DeadEndBackup::kItself;
  int row = end.row;
  bool last = true;  // the end of the path: a row that is an end, or the node itself
  for (int node = end.node; node >= 0; row = At(node).row, node = At(node).parent) {
    Node& here = At(node);
    --here.virtual_visits;
    if (kept && (!itself_only || row < 0)) ++here.visits;
    if (row >= 0) {
      Row& on_the_way = here.rows[static_cast<size_t>(row)];
      --on_the_way.stats.virtual_visits;
      if (kept && (!itself_only || last)) {
        ++on_the_way.stats.visits;
        on_the_way.stats.value_sum += value;
      }
      on_the_way.stats.exhausted = on_the_way.child < 0 || Exhausted(At(on_the_way.child));
      last = false;
    }
  }
  exhausted_ = Exhausted(nodes_.front());
}

bool TreeWalk::Exhausted(const Node& node) const {
  if (node.dead) return true;
  if (!node.expanded) return false;
  return std::ranges::all_of(node.rows, [](const Row& row) { return !row.stats.valid || row.stats.exhausted; });
}

}  // namespace orrery::simulation
