// SPDX-License-Identifier: Apache-2.0
// The sweep: a grid of settings and seeds, each of its cells a campaign, and a table of what they came to.

#include "runners/common/configured_main.h"
#include "runners/sweeps/run.h"
#include "schema/sweep_keys.h"

int main(int argc, char** argv) {
  return orrery::runners::ConfiguredMain(
      {.name = "sweep",
       .what = "Runs a campaign for every setting of a grid and every seed, and compares them.",
       .preset = "configs/sweep-small.json",
       .run = orrery::runners::RunSweepOf,
       .further_help = orrery::schema::SweepHelp},
      argc, argv);
}
