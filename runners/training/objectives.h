// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a configuration asks of a training: its objective over the data, and how it is learnt.

#include <memory>

#include "base/status.h"
#include "model/training/objective.h"
#include "model/training/score_objective.h"
#include "model/training/trainer.h"
#include "runners/training/data.h"
#include "schema/config.h"

namespace orrery::runners {

// Keys that do not go together, by name.
Status CheckTraining(const schema::Config& config);

// Whether a reward model is trained.
bool Ranks(const schema::TrainConfig& train);

model::TrainerOptions TrainerOptionsOf(const schema::Config& config);
model::ScoreOptions ScoreOptionsOf(const schema::TrainConfig& train);

// What is learnt and what is measured on, over the data of either kind; `data` and `network` must outlive them.
struct Objectives {
  std::unique_ptr<model::Objective> learnt, validation;
};
Objectives ObjectivesOf(const schema::TrainConfig& train, const TrainingData& data, model::Network& network);

}  // namespace orrery::runners
