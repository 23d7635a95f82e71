// SPDX-License-Identifier: Apache-2.0
#pragma once

// A record as a search leaves it, without a campaign: the expansions of MadeTree, walked by the rules.

#include <map>

#include "store/replay.h"
#include "store/tree_builder.h"
#include "tests/store/made_tree.h"

namespace orrery::store {

// Of problem "p#1".
inline TreeChunk Searched(const search::Rules& rules) {
  const TreeChunk made = MadeTree("p#1");
  std::map<Path, ExpansionChunk> expansions;
  for (const auto* expansion : *made->expansions()) {
    std::vector<CandidateText> texts;
    for (const auto* candidate : *expansion->candidates()) {
      texts.push_back({.text = candidate->text()->str(),
                       .kind = candidate->kind(),
                       .output = candidate->output()->str(),
                       .verdict = candidate->verdict(),
                       .grade = candidate->grade(),
                       .valid = candidate->valid(),
                       .answer = candidate->answer()->str(),
                       .merged = candidate->merged()});
    }
    expansions[PathOf(*expansion)] = MakeExpansion("p#1", PathOf(*expansion), texts, expansion->tokens_generated());
  }
  const reasoning::Problem problem{.id = "p", .question = "How many?", .answer = "16", .source = "plain"};
  const TreeSetting setting{.key = "p#1", .problem = &problem, .rules = &rules};
  // A record of all expansions without a rollout is enough to walk by.
  const Replay replay = ReplaySearch(*BuildTreeRecord(setting, {}, expansions), rules);
  TreeSetting walked = setting;
  walked.exhausted = replay.exhausted;
  return BuildTreeRecord(walked, replay.ends, expansions);
}

}  // namespace orrery::store
