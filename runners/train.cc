// SPDX-License-Identifier: Apache-2.0
// The training: makes a model better at what campaigns found, and leaves it as a Hugging Face folder.

#include "runners/common/configured_main.h"
#include "runners/training/run.h"

int main(int argc, char** argv) {
  return orrery::runners::ConfiguredMain(
      {.name = "train",
       .what = "Trains a model on the trajectories of campaigns; a training that was stopped goes on.",
       .preset = "configs/train-sft.json",
       .run = orrery::runners::RunTrainingOf},
      argc, argv);
}
