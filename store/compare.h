// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where two searches of one problem part: the first expansion in which they differ.

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "store/store.h"

namespace orrery::store {

// One run's expansions of a problem.
struct Search {
  std::vector<ExpansionChunk> expansions;
  bool finished = false;  // they are in the order in which its rollouts asked for them; else in that of their paths
};

// The record's expansions in the order in which the search asked for them.
Search SearchOf(const schema::TreeRecord& record);

// Two expansions that should be the same one.
struct Parting {
  size_t equal = 0;                // expansions before it that both have
  Path path_a, path_b;             // of the nodes; the same unless the searches went on elsewhere
  ExpansionChunk a, b;             // empty where that run ended or, unfinished, has not come so far
  std::vector<std::string> words;  // what differs: "candidate 2: output", "A goes on at /0/1, B at /0/2"
};

// None where both have the same expansions, byte for byte.
std::optional<Parting> FirstParting(const Search& a, const Search& b);

// What else differs in two records whose expansions are the same: "visits of /0/1: 3 against 4". At most a few lines.
std::vector<std::string> OtherDifferences(const schema::TreeRecord& a, const schema::TreeRecord& b);

}  // namespace orrery::store
