// SPDX-License-Identifier: Apache-2.0
#include "search/select.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace orrery::search {

double UctScore(const Child& child, uint32_t parent_visits, const Rules& rules) {
  const double visits = static_cast<double>(child.visits) + static_cast<double>(child.virtual_visits);
  if (visits == 0) return rules.unvisited == Unvisited::kInfinite ? std::numeric_limits<double>::infinity() : 0.0;
  const double q = child.visits == 0 ? 0.0 : child.value_sum / static_cast<double>(child.visits);
  // A dead end that is backed up on itself alone can leave a parent with fewer visits than its child, even none.
  const double parent = static_cast<double>(std::max(parent_visits, uint32_t{1}));
  return q + rules.exploration * std::sqrt(std::log(parent) / visits);
}

double PuctScore(const Child& child, uint32_t parent_visits, const Rules& rules) {
  const double visits = static_cast<double>(child.visits) + static_cast<double>(child.virtual_visits);
  const double q = child.visits == 0 ? 0.0 : child.value_sum / static_cast<double>(child.visits);
  return q + rules.exploration * child.prior * std::sqrt(static_cast<double>(parent_visits)) / (1 + visits);
}

std::optional<size_t> SelectChild(std::span<const Child> children, uint32_t parent_visits, const Rules& rules) {
  std::optional<size_t> best;
  double best_score = 0;
  for (size_t i = 0; i < children.size(); ++i) {
    if (!children[i].valid || children[i].exhausted) continue;
    const double score = rules.selection == Selection::kUct ? UctScore(children[i], parent_visits, rules)
                                                            : PuctScore(children[i], parent_visits, rules);
    if (!best || score > best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
}

}  // namespace orrery::search
