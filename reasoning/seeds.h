// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where a search's randomness comes from: a tree's key, and the seed of what a step's code may draw. Whoever runs a
// recorded step again needs the same.

#include <cstdint>
#include <string_view>
#include <vector>

namespace orrery::reasoning {

// Of one problem's search in a campaign of `seed`; `problem` is its key in the store.
uint64_t TreeRandomKey(uint64_t seed, std::string_view problem);

// The seed of a step at the node of this path: a function of the tree and of the path of the node that was expanded, so
// that candidates of the same text are the same step.
uint64_t StepSeed(uint64_t tree_random_key, const std::vector<uint8_t>& path);

}  // namespace orrery::reasoning
