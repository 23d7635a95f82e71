// SPDX-License-Identifier: Apache-2.0
// The evaluation: how many questions a model answers, by itself, by votes and by search.

#include "runners/common/configured_main.h"
#include "runners/evaluation/run.h"

int main(int argc, char** argv) {
  return orrery::runners::ConfiguredMain(
      {.name = "evaluate",
       .what = "Measures a model on a benchmark: greedy, several samples with votes, and search.",
       .preset = "configs/evaluate.json",
       .run = orrery::runners::RunEvaluationOf},
      argc, argv);
}
