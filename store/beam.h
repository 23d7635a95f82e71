// SPDX-License-Identifier: Apache-2.0
#pragma once

// Step-level beam search over a problem's expansions (METHODS A2, AlphaMath): at each depth all continuations of all
// beams stand side by side, and those that the preference model scores highest go on. A beam that has come to an answer
// keeps its place, so the others are fewer from then on.

#include <functional>
#include <vector>

#include "search/rules.h"
#include "store/tree_builder.h"

namespace orrery::store {

class Beam {
 public:
  // `rules` (of which beams > 0) must outlive it.
  explicit Beam(const search::Rules& rules) : rules_(rules), frontier_(1) {}

  // The partial solutions that are to be expanded now, best first; none: the search is over.
  const std::vector<Path>& frontier() const { return frontier_; }
  // Where beams ended, in order of depth and then of score.
  const std::vector<RolloutEnd>& ends() const { return ends_; }

  // The frontier's expansions by path: null where there was no room for another step. Takes the best continuations.
  void Advance(const std::function<const schema::Expansion*(const Path&)>& expansion_of);

 private:
  struct Continuation {
    Path path;
    const schema::Candidate* candidate;
  };

  // Of a partial solution that can go on; of another, its end is noted.
  void Continue(const Path& path, const schema::Expansion* expansion, std::vector<Continuation>& all);
  void Take(const Continuation& continuation);

  const search::Rules& rules_;
  std::vector<Path> frontier_;
  std::vector<RolloutEnd> ends_;
};

}  // namespace orrery::store
