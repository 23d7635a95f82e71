// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <tuple>

#include "search/tree.h"

namespace orrery::search {

namespace {

Trajectory TrajectoryTo(const Tree& tree, int answer) {
  Trajectory trajectory;
  for (int i = answer; tree.nodes[i].parent >= 0; i = tree.nodes[i].parent) trajectory.nodes.push_back(i);
  std::reverse(trajectory.nodes.begin(), trajectory.nodes.end());
  trajectory.right = tree.nodes[answer].right;

  int counted = 0;  // a tolerated failing step has no value of its own
  for (int i : trajectory.nodes) {
    const Node& node = tree.nodes[i];
    if (node.tolerated) continue;
    const double q = node.q();
    trajectory.mean_q += q;
    trajectory.min_q = counted == 0 ? q : std::min(trajectory.min_q, q);
    ++counted;
  }
  if (counted > 0) trajectory.mean_q /= counted;
  return trajectory;
}

}  // namespace

std::vector<Trajectory> Trajectories(const Tree& tree) {
  std::vector<Trajectory> all;
  for (int i = 0; i < static_cast<int>(tree.nodes.size()); ++i) {
    if (tree.nodes[i].end == End::kAnswered) all.push_back(TrajectoryTo(tree, i));
  }
  return all;
}

std::vector<Trajectory> BestTrajectories(const Tree& tree, int count) {
  std::vector<Trajectory> right = Trajectories(tree);
  std::erase_if(right, [](const Trajectory& t) { return !t.right; });
  // Stable: of equals the one whose answer comes first in node order stays first.
  std::stable_sort(right.begin(), right.end(), [](const Trajectory& a, const Trajectory& b) {
    return std::tie(a.mean_q, a.min_q) > std::tie(b.mean_q, b.min_q);
  });
  if (right.size() > static_cast<size_t>(std::max(count, 0))) right.resize(std::max(count, 0));
  return right;
}

Difficulty DifficultyOf(const Tree& tree) {
  bool any_right = false, any_wrong = false;
  for (const Node& node : tree.nodes) {
    if (node.end == End::kAnswered) (node.right ? any_right : any_wrong) = true;
  }
  if (!any_right) return Difficulty::kHard;
  return any_wrong ? Difficulty::kMedium : Difficulty::kEasy;
}

std::string_view Name(Difficulty difficulty) {
  switch (difficulty) {
    case Difficulty::kEasy: return "easy";
    case Difficulty::kMedium: return "medium";
    case Difficulty::kHard: return "hard";
  }
  return "unknown";
}

}  // namespace orrery::search
