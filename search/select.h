// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which child a rollout descends to: UCT over a node's children (rStar-Math 3.2; Kocsis & Szepesvári 2006), or PUCT
// (AlphaMath; Rosin 2011).

#include <cstdint>
#include <optional>
#include <span>

#include "search/rules.h"

namespace orrery::search {

// One valid or invalid candidate of an expansion, as its parent sees it.
struct Child {
  bool valid = false;      // an invalid candidate is never chosen
  bool exhausted = false;  // an answer already reached, a dead end, or a subtree without a new path: never chosen again
  uint32_t visits = 0;     // N, backed up
  uint32_t virtual_visits = 0;  // rollouts of this wave on their way through it; count as visits without a value
  double value_sum = 0;         // W
  double prior = 0;             // exp of its tokens' mean log-probability under the policy, for PUCT
};

// Q + c·sqrt(ln N(parent) / N(child)), N with virtual visits on both sides; Rules::unvisited where N(child) is 0.
// Q is the mean of the values backed up: a rollout on its way takes from the second term alone (0 where no value is
// there yet). Counted into Q it would pull losing children up towards 0 (compare Liu et al. 2020, "Watch the
// Unobserved").
double UctScore(const Child& child, uint32_t parent_visits, const Rules& rules);

// Q + c·prior·√N(parent) / (1 + N(child)): a child that no rollout has visited has a finite score, its Q being 0.
double PuctScore(const Child& child, uint32_t parent_visits, const Rules& rules);

// The index of the best child by Rules::selection, the lowest of equals; none if every child is invalid or exhausted.
// `parent_visits` counts the parent's backed-up and virtual visits, this rollout's own included.
std::optional<size_t> SelectChild(std::span<const Child> children, uint32_t parent_visits, const Rules& rules);

}  // namespace orrery::search
