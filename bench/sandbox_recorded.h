// SPDX-License-Identifier: Apache-2.0
#pragma once

// The steps of a real campaign, run again by the sandbox and by what a search without one would do: a new process for
// each step, with the whole program so far.

#include <filesystem>

#include "base/status.h"

namespace orrery {

struct RecordedFigures {
  uint64_t steps = 0;  // all recorded steps, run by one sandbox as the search asked for them
  double seconds_per_step = 0;
  uint64_t sampled = 0;         // of them, evenly spread, those that new processes ran too
  double process_seconds = 0;   // a step: Python alone, importing what the program imports
  double walled_seconds = 0;    // the same behind bubblewrap
  double packages_seconds = 0;  // the same with sympy and numpy imported, as a sandbox's step finds them
};

// Of the run in `folder`. `sample`: how many steps new processes run.
StatusOr<RecordedFigures> MeasureRecorded(const std::filesystem::path& folder, uint64_t sample);

}  // namespace orrery
