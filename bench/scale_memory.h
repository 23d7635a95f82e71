// SPDX-License-Identifier: Apache-2.0
#pragma once

// What one actor of a search takes by itself: many of a kind are made and left alone, and the heap is asked before and
// after.

#include <cstddef>

namespace orrery::bench {

// Bytes of the heap, its own accounts included. A tree has not begun; a node is a root without an expansion; a rollout
// makes none.
struct ActorBytes {
  double tree = 0, node = 0, rollout = 0;
};
ActorBytes MeasureActors(size_t of_each);

}  // namespace orrery::bench
