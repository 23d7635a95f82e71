// SPDX-License-Identifier: Apache-2.0
#include "search/tree.h"

namespace orrery::search {

double ValueOf(End end, bool right) { return end == End::kAnswered && right ? 1.0 : -1.0; }

void Annotate(Tree* tree, const Rules& rules) {
  for (Node& node : tree->nodes) {
    node.visits = 0;
    node.value_sum = 0;
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
