// SPDX-License-Identifier: Apache-2.0
#pragma once

// A campaign from its flags to its files; a function of its own so that other runners can search too.

#include "base/status.h"
#include "schema/flags.h"

namespace orrery::runners {

// The log of a program that runs campaigns, on standard error; once.
void SetUpLog(const schema::Flags& flags);

// The exit code: 0 done or stopped by a budget, 1 failed while running (resumable), 130 stopped by Ctrl-C (resumable).
// An error is what kept it from starting.
StatusOr<int> RunCampaignOf(const schema::Flags& flags);
// The same for a configuration at hand (without its preset's values), the log being set up.
StatusOr<int> RunCampaign(const schema::ResolvedConfig& given, bool quiet);

}  // namespace orrery::runners
