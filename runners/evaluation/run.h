// SPDX-License-Identifier: Apache-2.0
#pragma once

// An evaluation: a campaign for each method, in a folder of its own below run.out, and one table of what they found.

#include "base/status.h"
#include "runners/common/stop.h"
#include "schema/flags.h"

namespace orrery::runners {

// Leaves results.json and results.md in run.out, and prints the table, once all campaigns are finished. The exit code:
// 0, or what a campaign ended with (130 stopped and resumable). A question of evaluate.trained_on among those tested:
// InvalidInput.
StatusOr<int> RunEvaluationOf(const schema::Flags& flags);
StatusOr<Ended> RunEvaluation(const schema::ResolvedConfig& config, bool quiet);

}  // namespace orrery::runners
