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

// The seed of the randomness that a step at this place may ask for: a function of the tree and of the path of the node
// that was expanded, so that candidates of the same text are the same step.
uint64_t StepSeed(const TreeContext& tree, const store::Path& path);

}  // namespace orrery::actors
