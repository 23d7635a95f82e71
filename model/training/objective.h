// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a training learns: a list of examples and the loss on any of them. The trainer decides which come when.

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/training/network.h"

namespace orrery::model {

struct PassResult {
  double loss = 0;        // sum over what was learnt
  uint64_t compared = 0;  // pairs of a ranking …
  uint64_t right = 0;     // … whose better side scored higher
  void operator+=(const PassResult& other) {
    loss += other.loss;
    compared += other.compared;
    right += other.right;
  }
};

class Objective {
 public:
  virtual ~Objective() = default;

  virtual size_t count() const = 0;  // examples
  // Rows of the network that an example takes; at most as many as the network has.
  virtual size_t rows(size_t example) const = 0;
  // What an example counts for in a mean: its learnt tokens, or its comparisons.
  virtual size_t learnt(size_t example) const = 0;

  // One pass of the network over examples that fit its rows: forward, and where `gradient` is wanted backward, the
  // losses' gradients times `weight` being added to the parameters'.
  virtual PassResult Pass(std::span<const int32_t> examples, float weight, bool gradient) = 0;

  // How many of `examples`, from the first on, fit into `most` rows together: none where the first alone does not.
  size_t ThatFit(std::span<const int32_t> examples, size_t most) const {
    size_t fit = 0;
    for (size_t sum = 0; fit < examples.size(); ++fit) {
      sum += rows(static_cast<size_t>(examples[fit]));
      if (sum > most) break;
    }
    return fit;
  }
};

}  // namespace orrery::model
