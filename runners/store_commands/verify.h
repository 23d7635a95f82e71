// SPDX-License-Identifier: Apache-2.0
#pragma once

// store verify: whether a run's records are whole, agree with the search's arithmetic, and, with `rerun`, come out of
// the sandbox and the grader again byte for byte.

#include <filesystem>

#include "base/status.h"

namespace orrery::runners {

struct VerifyOptions {
  std::filesystem::path run;  // the folder of a run
  bool rerun = false;         // run every recorded step and compare every answer again
  uint64_t limit = 0;         // trees at most; 0: all
  int sandboxes = 0;          // at the same time; 0: one for each core
  bool json = false;          // an object for each difference, then one for all
};

// 0 where all agrees, 1 where not; both are told on standard output. Damage is named and the rest is checked. The run's
// own configuration says by what rules it searched and how its sandboxes were set.
StatusOr<int> VerifyStore(const VerifyOptions& options);

}  // namespace orrery::runners
