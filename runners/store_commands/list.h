// SPDX-License-Identifier: Apache-2.0
#pragma once

// store ls and store stats: what a run's store holds, a line a problem or counted.

#include <filesystem>

#include "base/status.h"

namespace orrery::runners {

struct ListOptions {
  std::filesystem::path run;  // the folder of a run
  bool json = false;          // ls: an object a line; stats: one object
};

// Each finished problem, then each that has expansions in the memo and no tree. 0, or 1 where something could not be
// read, which standard error names.
StatusOr<int> ListProblems(const ListOptions& options);

// Counts of records, verdicts, grades, tokens and bytes, over all problems and by difficulty, level and source. The
// same exit codes.
StatusOr<int> CountStore(const ListOptions& options);

}  // namespace orrery::runners
