// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two workers of the pools: one Python sandbox, one grader process; each blocks and so has a thread of its own
// (spawn detached).

#include <memory>

#include "actors/interfaces.h"
#include "actors/meters.h"
#include "reasoning/grader.h"
#include "sandbox/sandbox.h"

namespace orrery::actors {

struct sandbox_state {
  static inline constexpr const char* name = "sandbox";
  std::shared_ptr<sandbox::Sandbox> sandbox;
  Alive alive;
};

sandbox_actor::behavior_type sandbox_worker(sandbox_actor::stateful_pointer<sandbox_state> self,
                                            std::shared_ptr<sandbox::Sandbox> sandbox, Meters* meters);

struct grader_state {
  static inline constexpr const char* name = "grader";
  std::shared_ptr<reasoning::Grader> grader;
  Alive alive;
};

grader_actor::behavior_type grader_worker(grader_actor::stateful_pointer<grader_state> self,
                                          std::shared_ptr<reasoning::Grader> grader, Meters* meters);

}  // namespace orrery::actors
