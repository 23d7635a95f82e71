// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stands before several batchers of one model, each with a device of its own, and has a batcher's interface: a request
// goes where model/placement.h says, and its answer comes back as it is.

#include <vector>

#include "actors/interfaces.h"
#include "actors/meters.h"
#include "actors/promise.h"
#include "model/placement.h"

namespace orrery::actors {

struct router_state {
  static inline constexpr const char* name = "router";

  batcher_actor::pointer self = nullptr;
  std::vector<batcher_actor> batchers;
  model::Placement placement{{}};
  Alive alive;

  template <class Answer, class... Message>
  caf::result<Answer> Pass(std::span<const model::TokenId> prompt, const Message&... message);
};

// `pages`: of each batcher's cache.
batcher_actor::behavior_type router(batcher_actor::stateful_pointer<router_state> self,
                                    std::vector<batcher_actor> batchers, const std::vector<uint64_t>& pages,
                                    Meters* meters);

}  // namespace orrery::actors
