// SPDX-License-Identifier: Apache-2.0
#pragma once

// Gives a workload to our engine and takes the time.

#include <cstdint>
#include <functional>

#include "base/status.h"
#include "bench/workload.h"
#include "model/engine.h"

namespace orrery::bench {

struct Replayed {
  double seconds = 0;
  uint64_t new_tokens = 0;
  uint64_t prompt_tokens = 0;  // of the prompts as asked for, those found in the cache too
  uint64_t rows = 0, batches = 0;
};

// Hears of every batch: its rows, and how many of them gave a token.
using OnBatch = std::function<void(uint64_t rows, uint64_t sampled)>;

// Tokens are drawn at temperature 0.7. A sample that meets the end of text goes on after it: every engine writes as
// many tokens. Whatever the engine has in flight must be none.
StatusOr<Replayed> Replay(model::Engine& engine, const Workload& workload, uint64_t seed, const OnBatch& on_batch = {});

}  // namespace orrery::bench
