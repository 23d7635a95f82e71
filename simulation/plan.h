// SPDX-License-Identifier: Apache-2.0
#pragma once

// Capacity planning: how long a campaign takes on given devices, what it costs, and what limits it.
//
// A campaign larger than the sample is simulated in part: once it is under way it goes on at a steady rate, which is
// taken from the middle of the sample.

#include <string>

#include "simulation/campaign.h"

namespace orrery::simulation {

struct PlanSetting {
  CampaignSetting campaign;
  double price_an_hour = 0;  // of one device
  uint64_t sample = 0;       // problems to simulate at most; 0: chosen so that the middle is long
};

// Over the simulated part, its beginning and end included.
struct Use {
  double device = 0, sandbox = 0, grader = 0, journal = 0;  // busy: shares of the time
  double rows = 0;                                          // of a batch, on average
};

struct Plan {
  CampaignFigures sample;  // as simulated
  uint64_t simulated = 0;  // problems
  double hours = 0;
  double device_hours = 0;  // of all devices, idle or busy
  double cost = 0;
  double cost_per_problem = 0;
  double tokens = 0, rollouts = 0, expansions = 0, solved = 0;  // of all problems
  Use use;
  std::string limit;  // what would have to be more or faster, in words
};

Plan MakePlan(const Profile& profile, const PlanSetting& setting);

}  // namespace orrery::simulation
