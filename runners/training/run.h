// SPDX-License-Identifier: Apache-2.0
#pragma once

// One training from configuration to exported model; what it leaves lies in run.out: checkpoint/, best/, metrics.jsonl,
// summary.json, model/ (a Hugging Face folder).

#include "base/status.h"
#include "runners/common/stop.h"
#include "schema/flags.h"

namespace orrery::runners {

// The program's exit code: 0 done or stopped by run.max_hours, 130 stopped by Ctrl-C; both resumable.
StatusOr<int> RunTrainingOf(const schema::Flags& flags);
StatusOr<Ended> RunTraining(const schema::ResolvedConfig& config, bool quiet);

}  // namespace orrery::runners
