// SPDX-License-Identifier: Apache-2.0
#pragma once

// A sweep from its flags to its tables: every cell a campaign in a folder of its own, several at once, those of one
// model sharing it. A cell that is finished is not run again, one that was stopped goes on.

#include "base/status.h"
#include "runners/sweeps/grid.h"
#include "schema/flags.h"

namespace orrery::runners {

// The exit code: 0 all cells are finished (or stopped by a budget), 1 a cell failed, 2 all failed by their
// configuration or input, 130 stopped by Ctrl-C. An error is what kept the sweep from starting.
StatusOr<int> RunSweepOf(const schema::Flags& flags);
StatusOr<int> RunSweep(const Sweep& sweep, bool quiet);

}  // namespace orrery::runners
