// SPDX-License-Identifier: Apache-2.0
#pragma once

// Campaigns that are not run: a recorded one becomes a profile, and a profile tells how long another would take, what
// it would cost and what would limit it (docs/simulation.md).

#include <filesystem>
#include <string>

#include "base/status.h"
#include "simulation/plan.h"
#include "simulation/profile.h"

namespace orrery::runners {

// Which of a run's trees the policy is fitted to; the machine always is to all of the run.
enum class Trees { kAll, kEven, kOdd };

// From the folder of a finished run: store, config.json, summary.json, telemetry.jsonl.
StatusOr<simulation::Profile> FitRun(const std::filesystem::path& run, Trees trees = Trees::kAll);
StatusOr<simulation::Profile> LoadProfile(const std::filesystem::path& file);

// What a run measured and what its simulation says, of `seeds` simulated campaigns the mean.
struct Compared {
  std::string figure;
  double measured = 0, simulated = 0;
  bool decides = false;  // whether it counts in the check
};
std::vector<Compared> Compare(const simulation::Profile& profile, int seeds);
inline constexpr double kTolerance = 0.15;

// Compares the simulation of a run with the run: fitted to all of its trees, and to each half of them. Exit code 1
// where a figure that decides is further off than kTolerance.
StatusOr<int> CheckRun(const std::filesystem::path& run, int seeds, bool json);

// Prints a plan: lines for a person, or one object.
void PrintPlan(const simulation::Plan& plan, const simulation::PlanSetting& setting, bool json);

}  // namespace orrery::runners
