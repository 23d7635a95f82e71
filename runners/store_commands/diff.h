// SPDX-License-Identifier: Apache-2.0
#pragma once

// store diff: two runs compared problem by problem, down to the first expansion in which they part.

#include <filesystem>

#include "base/status.h"

namespace orrery::runners {

struct DiffOptions {
  std::filesystem::path a, b;  // the folders of two runs
  int shown = 5;               // differing problems whose expansions are shown; the rest are named
  bool json = false;           // an object a differing problem, then one for all
};

// 0 where both hold the same problems with the same records, 1 where not.
StatusOr<int> DiffStores(const DiffOptions& options);

}  // namespace orrery::runners
