// SPDX-License-Identifier: Apache-2.0
#include "search/tree.h"

namespace orrery::search {

double ValueOf(const Rules& rules, End end, bool right, std::optional<double> score) {
  if (end != End::kAnswered) return -1;
  if (rules.value == Value::kScore) return score.value_or(-1);
  return right ? 1 : -1;
}

void Annotate(Tree* tree, const Rules& rules) {
  for (Node& node : tree->nodes) {
    const bool known = rules.scored && node.parent >= 0 && node.score;
    node.visits = known ? 1 : 0;
    node.value_sum = known ? *node.score : 0;
  }
  for (const Rollout& rollout : tree->rollouts) {
    const End end = tree->nodes[rollout.node].end;
    const bool itself_only =
        rules.dead_end == DeadEndBackup::kItself && (end == End::kDeadEnd || end == End::kDepthLimit);
    for (int i = rollout.node; i >= 0; i = itself_only ? -1 : tree->nodes[i].parent) {
      ++tree->nodes[i].visits;
      tree->nodes[i].value_sum += rollout.value;
    }
  }
}

}  // namespace orrery::search
