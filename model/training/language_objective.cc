// SPDX-License-Identifier: Apache-2.0
#include "model/training/language_objective.h"

#include <algorithm>
#include <numeric>

namespace orrery::model {

size_t LanguageObjective::learnt(size_t example) const {
  return examples_[example].tokens.size() - static_cast<size_t>(std::max(1, examples_[example].prompt));
}

PassResult LanguageObjective::Pass(std::span<const int32_t> examples, float weight, bool gradient) {
  std::vector<int32_t> tokens, begins = {0}, which, targets;
  for (const int32_t number : examples) {
    const TrainingExample& example = examples_[static_cast<size_t>(number)];
    const int begin = begins.back(), length = static_cast<int>(example.tokens.size());
    tokens.insert(tokens.end(), example.tokens.begin(), example.tokens.end());
    begins.push_back(begin + length);
    for (int i = std::max(1, example.prompt); i < length; ++i) {
      which.push_back(begin + i - 1);
      targets.push_back(example.tokens[static_cast<size_t>(i)]);
    }
  }
  std::vector<double> losses(which.size());
  const std::vector<float> weights(which.size(), weight);
  network_.Forward(tokens, {begins});
  network_.LanguageHead(which, targets, weights, gradient, losses.data());
  if (gradient) network_.Backward();
  return {.loss = std::accumulate(losses.begin(), losses.end(), 0.0)};
}

}  // namespace orrery::model
