// SPDX-License-Identifier: Apache-2.0
#pragma once

// A finished search becomes one record: from its expansions and from where its rollouts ended, in order, everything
// else follows.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "reasoning/problem.h"
#include "search/rules.h"
#include "search/tree.h"
#include "store/store.h"

namespace orrery::store {

// Where a rollout's walk ended, and what was found there.
struct RolloutEnd {
  Path path;
  schema::Terminal end = schema::Terminal::None;
  bool right = false;
  std::optional<double> score = {};  // the preference model's, of an answer
};

struct TreeSetting {
  std::string key;  // of the problem in the store
  const reasoning::Problem* problem = nullptr;
  const search::Rules* rules = nullptr;
  bool exhausted = false;  // no new path was left
  bool in_words = false;   // the steps are sentences
};

search::End EndOf(schema::Terminal end);

// Whether a record is of the rollouts that the rules ask for: if not, its search goes on.
bool OfBudget(const schema::TreeRecord& record, const search::Rules& rules);

// The same arguments give the same bytes. Visits and value sums are search::Annotate's.
TreeChunk BuildTreeRecord(const TreeSetting& setting, const std::vector<RolloutEnd>& ends,
                          const std::map<Path, ExpansionChunk>& expansions);

}  // namespace orrery::store
