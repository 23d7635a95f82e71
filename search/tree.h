// SPDX-License-Identifier: Apache-2.0
#pragma once

// A finished tree as plain values, and what is read off it: difficulty, trajectories to learn from, preference pairs
// (METHODS A3, A4).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "search/rules.h"

namespace orrery::search {

enum class End : uint8_t { kNone, kAnswered, kDeadEnd, kDepthLimit };

// A node that a rollout visited, or the root. Nodes are in depth-first order, a parent before its children, children by
// candidate index.
struct Node {
  int parent = -1;
  int candidate = 0;  // index in the parent's expansion
  End end = End::kNone;
  bool right = false;  // of an answer: equals the reference
  // A failing step that was let through: values pass through it as UCT needs them, but it has none of its own. It is
  // left out of a trajectory's mean and minimum Q, and of every pair (as prefix it may serve).
  bool tolerated = false;
  std::optional<double> score;  // the preference model's; the first visit's value where Rules::scored
  uint32_t visits = 0;
  double value_sum = 0;
  std::string_view text;  // the step; owned by the tree's record. Empty for the root
  double q() const { return visits == 0 ? 0 : value_sum / visits; }
};

struct Rollout {
  int node = 0;      // where it ended
  double value = 0;  // ValueOf its end
};

struct Tree {
  std::vector<Node> nodes;
  std::vector<Rollout> rollouts;  // in rollout order
};

// easy: all answers right; medium: mixed; hard: none right (no answer at all too).
enum class Difficulty : uint8_t { kEasy, kMedium, kHard };
Difficulty DifficultyOf(const Tree& tree);
std::string_view Name(Difficulty difficulty);

// Value of an end, for the back-up. By the reference: +1 a right answer, −1 anything else. By the preference model: an
// answer's score, −1 anything else (and where it was not scored).
double ValueOf(const Rules& rules, End end, bool right, std::optional<double> score);

// The steps from the root to an answer: indices in Tree::nodes, the root left out.
struct Trajectory {
  std::vector<int> nodes;
  bool right = false;
  double mean_q = 0;
  double min_q = 0;
};

// Every distinct path to an answer, in node order.
std::vector<Trajectory> Trajectories(const Tree& tree);

// The `count` right ones with the highest mean Q, then the highest minimum Q, then the lowest node (A4, SFT data).
std::vector<Trajectory> BestTrajectories(const Tree& tree, int count = 2);

// A chosen and a rejected continuation of one prefix (A4). For whole trajectories (the final step) the prefixes may
// differ.
struct PreferencePair {
  std::vector<int> prefix;  // nodes from the root, shared by both; of whole trajectories: empty
  std::vector<int> chosen;  // one node, or a whole trajectory
  std::vector<int> rejected;
  double q_chosen = 0;
  double q_rejected = 0;
  bool whole = false;
};

struct PairRules {
  int per_side = 2;            // best and worst of each node's children
  double min_margin = 0.5;     // released filter: Q_chosen − Q_rejected at least
  int min_edit_distance = 20;  // released filter: characters
};

// From a tree with both right and wrong trajectories, else empty. Always Q_chosen > Q_rejected. Ordered by the prefix's
// node, then from the clearest side inward; whole trajectories last. Of siblings, the chosen leads to a right answer
// and the rejected to a wrong one (a dead end is no answer); a sibling that leads to both may be either. Answers are
// compared as whole trajectories, their Q being the mean Q.
std::vector<PreferencePair> PreferencePairs(const Tree& tree, const PairRules& rules);

// Replays `rollouts` on `nodes`: visits and value sums as the back-up leaves them (A2). The definition that the actors
// are tested against.
void Annotate(Tree* tree, const Rules& rules);

}  // namespace orrery::search
