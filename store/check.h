// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether a finished search's record is what a search leaves: whole, consistent with itself, and with the visits,
// values and choices that the rules give.

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "search/rules.h"
#include "store/store.h"

namespace orrery::store {

// Something that is not as it should be.
struct Finding {
  std::string place;  // "/0/2" a node's path, "/0/2#1" a candidate, "rollout 3"; empty: the record as a whole
  std::string field;
  std::string recorded;
  std::string expected;
};

// "/0/2"; "/" is the root.
std::string PathText(const Path& path);

// Whether indices, paths and kinds make a tree: what everything else may rely on. `key` is the problem's in the store.
std::vector<Finding> CheckShape(std::string_view key, const schema::TreeRecord& record);

// CheckShape; then, where nothing was found: visits and values by search::Annotate, every rollout chosen again
// (store/replay.h), and the record built anew from its expansions, byte for byte. `rules` are the campaign's. What a
// text says is not checked here: the sandbox and the grader do that.
std::vector<Finding> CheckTree(std::string_view key, const TreeChunk& tree, const search::Rules& rules);

}  // namespace orrery::store
