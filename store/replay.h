// SPDX-License-Identifier: Apache-2.0
#pragma once

// A recorded search walked once more: where its rollouts end when every child is chosen again, from the record's
// expansions alone.

#include <vector>

#include "search/rules.h"
#include "store/tree_builder.h"

namespace orrery::store {

struct Replay {
  std::vector<RolloutEnd> ends;  // in rollout order; of the rollouts that reached an end
  bool exhausted = false;        // no new path was left
};

// The budgets are the record's own, all else of the rules the campaign's. A node that is reached and has no expansion
// in the record had no room left for a step: the search ended there at its limit. The record must be one that
// CheckShape (store/check.h) accepts.
Replay ReplaySearch(const schema::TreeRecord& record, const search::Rules& rules);

}  // namespace orrery::store
