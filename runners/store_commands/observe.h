// SPDX-License-Identifier: Apache-2.0
#pragma once

// store observe: what one looks for in a finished campaign, as a page of Markdown or one JSON object
// (runners/store_commands/observations.h).

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/status.h"
#include "runners/store_commands/observations.h"

namespace orrery::runners {

struct ObserveOptions {
  std::filesystem::path run;
  size_t shown = 20;
  uint64_t seed = 1;
  bool json = false;
};

StatusOr<int> ObserveStore(const ObserveOptions& options);

// Of every finished tree of a run; the same store gives the same observations.
StatusOr<Observations> ObserveRun(const std::filesystem::path& run, size_t shown, uint64_t seed);
std::string ToMarkdown(const Observations& observations);

}  // namespace orrery::runners
