// SPDX-License-Identifier: Apache-2.0
// The self-evolution: rounds of search and training.

#include "runners/common/configured_main.h"
#include "runners/evolution/run.h"

int main(int argc, char** argv) {
  return orrery::runners::ConfiguredMain({.name = "evolve",
                                          .what = "Searches and trains in rounds; a run that was stopped goes on.",
                                          .preset = "configs/evolve-small.json",
                                          .run = orrery::runners::RunEvolutionOf},
                                         argc, argv);
}
