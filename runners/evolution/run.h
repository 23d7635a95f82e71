// SPDX-License-Identifier: Apache-2.0
#pragma once

// Self-evolution (rStar-Math 3.4, METHODS A3): each round searches the problems with the last round's policy (and,
// later on, its preference model), trains a new policy from the base model on what was found, and a new preference
// model from that policy, and tests it.
//
//   round-1/ campaign ─▸ policy ─▸ ppm ─▸ test, other     round-2/ campaign ─▸ …     last: search
//
// Every stage is a run of its own folder and resumes by itself, so that the whole does.

#include "base/status.h"
#include "schema/flags.h"

namespace orrery::runners {

// Leaves evolution.json and evolution.md in run.out. The exit code: 0, or what a stage ended with (130 stopped and
// resumable).
StatusOr<int> RunEvolutionOf(const schema::Flags& flags);

}  // namespace orrery::runners
