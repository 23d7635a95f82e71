// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the actor library alone allows: messages a second between actors that do nothing with them but to answer, with
// the campaign's scheduler and a FlatBuffer built for each request, as the search's own messages are.

#include <cstdint>

namespace orrery::bench {

struct Floor {
  double seconds = 0;
  uint64_t messages = 0;  // requests and answers
};

// `pairs` of actors at once on `threads` threads, each exchanging `requests` one after the other.
Floor MeasureFloor(int threads, uint64_t pairs, uint64_t requests);

}  // namespace orrery::bench
