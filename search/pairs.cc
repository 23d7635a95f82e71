// SPDX-License-Identifier: Apache-2.0
// Preference pairs of a finished tree (rStar-Math 3.3.2, METHODS A4).
#include <algorithm>
#include <string>

#include "search/edit_distance.h"
#include "search/tree.h"

namespace orrery::search {

namespace {

// What answers lie in a node's subtree, itself included.
struct Reach {
  bool right = false;
  bool wrong = false;
};

std::vector<Reach> ReachOf(const Tree& tree) {
  std::vector<Reach> reach(tree.nodes.size());
  for (int i = static_cast<int>(tree.nodes.size()) - 1; i >= 0; --i) {  // children come after their parent
    const Node& node = tree.nodes[i];
    if (node.end == End::kAnswered) (node.right ? reach[i].right : reach[i].wrong) = true;
    if (node.parent < 0) continue;
    reach[node.parent].right |= reach[i].right;
    reach[node.parent].wrong |= reach[i].wrong;
  }
  return reach;
}

std::vector<int> PathTo(const Tree& tree, int node) {
  std::vector<int> path;
  for (; tree.nodes[node].parent >= 0; node = tree.nodes[node].parent) path.push_back(node);
  std::reverse(path.begin(), path.end());
  return path;
}

std::string TextOf(const Tree& tree, const std::vector<int>& nodes) {
  std::string text;
  for (int node : nodes) text += tree.nodes[node].text;
  return text;
}

// Keeps the pair if it passes the filters; every pair of the result went through here.
void AddIfClear(const Tree& tree, const PairRules& rules, PreferencePair pair, std::vector<PreferencePair>* pairs) {
  if (!(pair.q_chosen > pair.q_rejected) || pair.q_chosen - pair.q_rejected < rules.min_margin) return;
  const std::string chosen = TextOf(tree, pair.chosen), rejected = TextOf(tree, pair.rejected);
  if (EditDistanceUpTo(chosen, rejected, rules.min_edit_distance) < rules.min_edit_distance) return;
  pairs->push_back(std::move(pair));
}

// The steps on one prefix. Answers are compared as whole trajectories instead: on one prefix they seldom differ.
void AddSiblingPairs(const Tree& tree, int parent, const std::vector<int>& children, const std::vector<Reach>& reach,
                     const PairRules& rules, std::vector<PreferencePair>* pairs) {
  std::vector<int> best, worst;
  for (int child : children) {
    if (tree.nodes[child].end == End::kAnswered || tree.nodes[child].tolerated) continue;
    if (reach[child].right) best.push_back(child);
    if (reach[child].wrong) worst.push_back(child);
  }
  const auto q = [&](int node) { return tree.nodes[node].q(); };
  std::stable_sort(best.begin(), best.end(), [&](int a, int b) { return q(a) > q(b); });
  std::stable_sort(worst.begin(), worst.end(), [&](int a, int b) { return q(a) < q(b); });
  if (best.size() > static_cast<size_t>(rules.per_side)) best.resize(rules.per_side);
  if (worst.size() > static_cast<size_t>(rules.per_side)) worst.resize(rules.per_side);
  for (int chosen : best) {
    for (int rejected : worst) {
      AddIfClear(tree, rules,
                 {.prefix = PathTo(tree, parent),
                  .chosen = {chosen},
                  .rejected = {rejected},
                  .q_chosen = q(chosen),
                  .q_rejected = q(rejected)},
                 pairs);
    }
  }
}

void AddWholePairs(const Tree& tree, const PairRules& rules, std::vector<PreferencePair>* pairs) {
  std::vector<Trajectory> best, worst;
  for (Trajectory& trajectory : Trajectories(tree)) {
    const bool tolerated =
        std::any_of(trajectory.nodes.begin(), trajectory.nodes.end(), [&](int i) { return tree.nodes[i].tolerated; });
    if (!tolerated) (trajectory.right ? best : worst).push_back(std::move(trajectory));
  }
  std::stable_sort(best.begin(), best.end(), [](const auto& a, const auto& b) { return a.mean_q > b.mean_q; });
  std::stable_sort(worst.begin(), worst.end(), [](const auto& a, const auto& b) { return a.mean_q < b.mean_q; });
  if (best.size() > static_cast<size_t>(rules.per_side)) best.resize(rules.per_side);
  if (worst.size() > static_cast<size_t>(rules.per_side)) worst.resize(rules.per_side);
  for (const Trajectory& chosen : best) {
    for (const Trajectory& rejected : worst) {
      AddIfClear(tree, rules,
                 {.prefix = {},
                  .chosen = chosen.nodes,
                  .rejected = rejected.nodes,
                  .q_chosen = chosen.mean_q,
                  .q_rejected = rejected.mean_q,
                  .whole = true},
                 pairs);
    }
  }
}

}  // namespace

std::vector<PreferencePair> PreferencePairs(const Tree& tree, const PairRules& rules) {
  std::vector<PreferencePair> pairs;
  if (tree.nodes.empty()) return pairs;
  const std::vector<Reach> reach = ReachOf(tree);
  if (!reach[0].right || !reach[0].wrong) return pairs;

  std::vector<std::vector<int>> children(tree.nodes.size());
  for (int i = 1; i < static_cast<int>(tree.nodes.size()); ++i) children[tree.nodes[i].parent].push_back(i);
  for (int i = 0; i < static_cast<int>(tree.nodes.size()); ++i)
    AddSiblingPairs(tree, i, children[i], reach, rules, &pairs);
  AddWholePairs(tree, rules, &pairs);
  return pairs;
}

}  // namespace orrery::search
