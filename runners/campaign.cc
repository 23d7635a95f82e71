// SPDX-License-Identifier: Apache-2.0

// The campaign: searches a set of problems step by step and leaves verified trajectories, preference pairs and a
// report.

#include "runners/campaigns/run.h"
#include "runners/common/configured_main.h"

int main(int argc, char** argv) {
  return orrery::runners::ConfiguredMain(
      {.name = "campaign",
       .what = "Searches problems step by step, runs every step, and keeps what leads to right answers.",
       .preset = "configs/quickstart.json",
       .run = orrery::runners::RunCampaignOf},
      argc, argv);
}
