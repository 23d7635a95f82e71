// SPDX-License-Identifier: Apache-2.0
#pragma once

// Two steps of training of the small random transformer on four texts, so that two trainings can be compared.

#include <vector>

#include "base/status.h"
#include "model/training/language_objective.h"
#include "model/training/trainer.h"
#include "tests/model/small_transformer.h"

namespace orrery::model {

struct SmallTrained {
  std::vector<float> losses, gradient;  // of each step; of the first
  std::vector<float> values;            // after the last
};

inline StatusOr<SmallTrained> RunSmallTraining(const kernels::TrainingOps& ops) {
  const ModelShape shape = SmallShape();
  Parameters parameters = Parameters::Random(shape, false, 5, ops.memory());
  Network network(shape, parameters, ops, {.max_rows = 64});
  std::vector<TrainingExample> examples;
  for (int i = 0; i < 4; ++i) {
    examples.push_back({{}, 3});
    for (int t = 0; t < 12 + 9 * i; ++t) examples.back().tokens.push_back((t * t + 7 * i) % shape.vocabulary);
  }
  LanguageObjective objective(network, examples);
  Trainer trainer(parameters, network, ops, objective, {.epochs = 1, .batch = 2, .rate = 1e-2f});
  SmallTrained trained;
  while (!trainer.Done()) {
    ORRERY_ASSIGN_OR_RETURN(const StepReport report, trainer.Step());
    trained.losses.push_back(static_cast<float>(report.loss));
    ops.Finish();
    if (trainer.step() == 1)
      trained.gradient.assign(parameters.gradients.all().begin(), parameters.gradients.all().end());
  }
  ORRERY_RETURN_IF_ERROR(ops.status());
  trained.values.assign(parameters.values.all().begin(), parameters.values.all().end());
  return trained;
}

}  // namespace orrery::model
