// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a node stands for: the steps from the root to it. Each node keeps its own step alone and shares those before it
// with all its relatives, so that a tree of a thousand nodes holds each step once.

#include <memory>
#include <vector>

#include "actors/context.h"

namespace orrery::actors {

// A solution's last step, and the steps before it. The empty solution, the root's, is null.
struct Solution {
  std::shared_ptr<const Solution> before;
  ExpansionChunk expansion;  // the parent's, which holds the step among its candidates
  uint8_t index = 0;         // of that candidate
  bool complete = false;     // a final code step: the program's output is inserted after it, an answer comes next
  uint16_t depth = 0;        // steps, this one included
  uint32_t length = 0;       // tokens of all steps, as the policy reads them
  std::vector<model::TokenId> tokens;      // of this step and the output after it
  std::vector<model::TokenId> ppm_tokens;  // the same as the preference model reads it; empty where there is none

  const schema::Candidate& step() const { return *expansion->candidates()->Get(index); }
};
using SolutionPtr = std::shared_ptr<const Solution>;

inline size_t Depth(const SolutionPtr& solution) { return solution ? solution->depth : 0; }
inline int Length(const SolutionPtr& solution) { return solution ? static_cast<int>(solution->length) : 0; }
store::Path PathOf(const SolutionPtr& solution);

// The solution that goes on with candidate `index` of its expansion.
SolutionPtr Next(const TreeContext& tree, const SolutionPtr& solution, const ExpansionChunk& expansion, uint8_t index);

// The whole solution, as whoever expands it wants to read it.
PartialChunk WholeOf(const TreeContext& tree, const SolutionPtr& solution);

}  // namespace orrery::actors
