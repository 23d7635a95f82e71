// SPDX-License-Identifier: Apache-2.0
#pragma once

// A whole campaign in virtual time: every tree walks by the real rules of the search, every sample, program and answer
// is drawn from a profile, and device, sandbox, grader and journal take the time that the profile says.
//
// Plain C++ without actors: hours pass in seconds. The same setting gives the same figures.

#include <cstdint>
#include <string>
#include <vector>

#include "search/rules.h"
#include "simulation/profile.h"

namespace orrery::simulation {

struct CampaignSetting {
  search::Rules rules;
  uint64_t problems = 1;
  uint64_t seed = 1;
  size_t live_trees = 64;           // of all devices together
  int devices = 1;                  // of the profile's curve each; a tree keeps to one
  std::vector<std::string> levels;  // of the problems, in turn; empty: none has a level
};

struct CampaignFigures {
  double seconds = 0;
  uint64_t solved = 0, rollouts = 0, expansions = 0, samples = 0, tokens = 0, steps = 0, gradings = 0;
  uint64_t batches = 0, rows = 0;
  double device_busy = 0, sandbox_busy = 0, grader_busy = 0, journal_busy = 0;  // seconds, all workers together
  std::vector<double> done_at;  // the seconds at which trees ended, in their order
};

CampaignFigures Simulate(const Profile& profile, const CampaignSetting& setting);

}  // namespace orrery::simulation
