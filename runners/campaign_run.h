// SPDX-License-Identifier: Apache-2.0
#pragma once

// A campaign from its flags to its files; a function of its own so that other runners can search too.

#include "base/status.h"
#include "schema/flags.h"

namespace orrery::runners {

// The exit code: 0 done or stopped by a budget, 1 failed while running (resumable), 130 stopped by Ctrl-C (resumable).
// An error is what kept it from starting.
StatusOr<int> RunCampaignOf(const schema::Flags& flags);

}  // namespace orrery::runners
