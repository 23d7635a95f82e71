// SPDX-License-Identifier: Apache-2.0
#pragma once

// Picks a token from a row of logits.
//
// Temperature first, then the top_k most probable tokens (the lower id first among equals), then of those the fewest
// most probable ones whose probabilities reach top_p. Sums run in an order fixed by the number of logits alone.

#include "kernels/kernels.h"
#include "model/engine.h"

namespace orrery::model {

struct SampledToken {
  TokenId token;
  double log_probability;  // ln p under softmax(logits), without temperature or truncation
};

// uniform: in [0, 1); not used where temperature is 0.
SampledToken Sample(const kernels::Backend& backend, const float* logits, int count, const Sampling& sampling,
                    float uniform);

}  // namespace orrery::model
