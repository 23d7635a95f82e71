// SPDX-License-Identifier: Apache-2.0
#pragma once

// Fits a profile to a recorded campaign: its policy to the finished trees of the store, its machine to the lines of its
// telemetry.

#include <functional>
#include <string_view>

#include "base/status.h"
#include "search/rules.h"
#include "simulation/profile.h"
#include "store/store.h"

namespace orrery::simulation {

struct FitInput {
  const store::Store* store = nullptr;
  search::Rules rules;  // that the campaign searched by
  int max_rows = 256;   // of a batch
  uint64_t live_trees = 64;
  std::string_view telemetry;  // the text of telemetry.jsonl
  std::string_view summary;    // the text of summary.json
  // Only the trees for which it holds, in the order of the store; empty: all. What the summary and the telemetry tell
  // is always of the whole campaign.
  std::function<bool(size_t index)> only;
};

// NotFound where nothing is finished; Corrupt or InvalidInput where a file is not what it should be.
StatusOr<Profile> Fit(const FitInput& input);

// The parts of it, by themselves.
// Of the policy: success, shapes and how answers follow programs.
Status FitPolicy(const FitInput& input, Profile* profile);
// Of the machine: device, sandbox, grader, journal.
Status FitMachine(std::string_view telemetry, Profile* profile);

}  // namespace orrery::simulation
