// SPDX-License-Identifier: Apache-2.0
#pragma once

// What campaigns left, chosen and turned into the tokens that a policy reads and writes, and a reward model reads, in a
// search.

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/tokenizer/tokenizer.h"
#include "model/training/language_objective.h"
#include "model/training/score_objective.h"
#include "schema/config.h"

namespace orrery::runners {

struct TrainingData {
  std::vector<model::TrainingExample> learnt, validation;     // of train.objective=sft
  std::vector<model::ScoredGroup> ranked, ranked_validation;  // of the others
  uint64_t lines = 0, problems = 0, doubles = 0, dropped = 0, cut = 0;
  uint64_t left_out = 0;  // by train.per_problem
  uint64_t noise = 0;     // lines of doubtful synthetic problems
  std::string digest;     // over all examples
};

// What train.objective asks for: trajectories, or preferences in groups of siblings. Errors name file and line. Without
// a single example to be learnt: InvalidInput, which says what is missing. `shared`: siblings share their prefix's
// rows.
StatusOr<TrainingData> LoadTrainingData(const schema::TrainConfig& config, uint64_t seed,
                                        const model::Tokenizer& tokenizer, bool shared);

}  // namespace orrery::runners
