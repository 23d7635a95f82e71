// SPDX-License-Identifier: Apache-2.0
#pragma once

// Kernels over rows of logits: their maximum, and their sums of exponentials.

#include <cmath>

#include "kernels/cuda/block_sum.h"
#include "kernels/cuda/view.h"
#include "kernels/device.h"

namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE {

// The largest of `count` logits, the lowest index on a tie. One block a row.
struct MaximumKernel {
  static constexpr const char* kName = "maximum";
  struct Shared {
    SharedArray<float, kWarps> values;
    SharedArray<int32_t, kWarps> indices;
  };

  View<const float> logits;  // [rows][stride]
  View<float> values;        // [rows]
  View<int32_t> indices;     // [rows]
  int count = 0;
  size_t stride = 0;

  struct Best {
    float value;
    int32_t index;
    ORRERY_KERNEL void Take(float v, int32_t i) {
      if (v > value || (v == value && i < index)) {
        value = v;
        index = i;
      }
    }
  };

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared& shared) const {
    const size_t row = context.block().x;
    const int thread = context.thread();
    Best best = {thread < count ? logits[row * stride + thread] : -HUGE_VALF, thread < count ? thread : count};
    for (int i = thread + kThreads; i < count; i += kThreads) best.Take(logits[row * stride + i], i);
    for (int distance = kWarp / 2; distance > 0; distance /= 2) {
      const float value = context.ShuffleXor(best.value, distance);
      const int32_t index = context.ShuffleXor(best.index, distance);
      best.Take(value, index);
    }
    if (thread % kWarp == 0) {
      shared.values[thread / kWarp] = best.value;
      shared.indices[thread / kWarp] = best.index;
    }
    context.Sync();
    if (thread != 0) return;
    for (int warp = 1; warp < kWarps; ++warp) best.Take(shared.values[warp], shared.indices[warp]);
    values[row] = best.value;
    indices[row] = best.index;
  }
};

// sums[r][b] = Σ exp((logit − shifts[r]) · scales[r]) over a row's b-th Device::kSumBlock logits. A grid of
// (blocks, rows).
struct SumExpKernel {
  static constexpr const char* kName = "sum_exp";
  struct Shared {
    SharedArray<double, kWarps> sums;
  };

  View<const float> logits;          // [rows][stride]
  View<const float> shifts, scales;  // [rows]
  View<double> sums;                 // [rows][blocks]
  int count = 0, blocks = 0;
  size_t stride = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared& shared) const {
    const size_t row = context.block().y;
    const int block = context.block().x, begin = block * Device::kSumBlock;
    const int end = begin + Device::kSumBlock < count ? begin + Device::kSumBlock : count;
    double sum = 0;
    for (int i = begin + context.thread(); i < end; i += kThreads)
      sum += static_cast<double>(Exp((logits[row * stride + i] - shifts[row]) * scales[row]));
    sum = BlockSum(context, shared.sums, sum);
    if (context.thread() == 0) sums[row * blocks + block] = sum;
  }
};

}  // namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE
