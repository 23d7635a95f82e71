// SPDX-License-Identifier: Apache-2.0
#pragma once

// Preference pairs from files as groups of siblings, for the training of reward models.

#include "runners/training/data.h"

namespace orrery::runners {

// TrainingData::ranked: pairs of one prefix are one group, each text once (METHODS A4). An outcome reward model (orm)
// takes whole solutions only. Groups that take more rows than a pass has, their prefix being shared or not, are
// dropped.
StatusOr<TrainingData> LoadPreferences(const schema::TrainConfig& config, uint64_t seed,
                                       const model::Tokenizer& tokenizer, bool shared);

}  // namespace orrery::runners
