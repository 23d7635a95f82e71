// SPDX-License-Identifier: Apache-2.0
#pragma once

// Partial solutions: what a node stands for, and how a child's follows from its parent's and one candidate.

#include "actors/context.h"

namespace orrery::actors {

// The empty solution.
PartialChunk RootPartial(const TreeContext& tree);

// The parent's solution and its candidate `index`; after a final code step the program's output is inserted.
PartialChunk ChildPartial(const TreeContext& tree, const schema::Partial& parent, const schema::Candidate& candidate,
                          uint8_t index);

// What is left of a solution that none will continue: its path.
PartialChunk PathOnly(const schema::Partial& partial);

}  // namespace orrery::actors
