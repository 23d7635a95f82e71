// SPDX-License-Identifier: Apache-2.0
#pragma once

// The best row of outputs on a model as it is, from pairs: a reward model whose layers stay as they were, or the place
// from which all weights are trained (linear probing, then fine-tuning; Kumar et al. 2022, arXiv:2202.10054).
//
// Logistic regression of the differences between the better and the worse side: minus the mean over groups, and over
// the pairs of each, of ln σ(w·(better − worse)), plus a penalty on w. Deterministic, on one thread. The outputs stand
// bfloat16's rounding of weights and inputs.

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace orrery::model {

// What is compared: texts, of which each is what the head sees after the text's last token.
struct ProbeData {
  struct Group {
    size_t first = 0, count = 0;                     // texts
    std::vector<std::pair<int32_t, int32_t>> pairs;  // better, worse: from `first` on
  };
  size_t width = 0;
  std::vector<float> inputs;  // [texts][width]
  std::vector<Group> groups;  // neighbours may be of one problem
};

struct Probe {
  std::vector<float> weights;     // [width]; its outputs on the texts that it was fitted to are zero on average
  double penalty = 0;             // of those tried, times the width: the one that …
  double loss = 0, accuracy = 0;  // … had the least loss on groups that it was not fitted to (cross-validation)
};

// `data` needs at least two groups, each with a pair. `folds` parts of neighbouring groups are left out in turn.
// Outputs of all texts, whatever group they are of, are kept to the size of `scale`, by which tanh divides them
// (ModelShape::score_scale): pairs alone leave open what groups have in common.
Probe FitProbe(const ProbeData& data, double scale, int folds = 5);

}  // namespace orrery::model
