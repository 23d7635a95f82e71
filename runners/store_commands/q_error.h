// SPDX-License-Identifier: Apache-2.0
#pragma once

// store q-error: how far the values of a short search lie from those of a long one of the same problems, step by step
// (the paper finds Q unreliable after 8 rollouts and better after 16; METHODS A5).

#include <filesystem>

#include "base/status.h"

namespace orrery::runners {

struct QErrorOptions {
  std::filesystem::path with, against;  // the folders of a run of few rollouts and of one of many
  bool json = false;
};

// By the visits that a step had in the short search: how many steps, their mean |Q − Q of the long search|, how many of
// them changed sides of zero. Steps are the same where problem, path and text are. NotFound where the runs share none.
StatusOr<int> CompareQ(const QErrorOptions& options);

}  // namespace orrery::runners
