// SPDX-License-Identifier: Apache-2.0
#pragma once

// Kernels of the loss, of the gradient's norm and of AdamW's step; kernels/reference/ordered_training.h defines their
// bits.

#include <cmath>

#include "kernels/cuda/block_sum.h"
#include "kernels/cuda/training_rows.h"
#include "kernels/cuda/view.h"

namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE {

// What the host makes a row's loss of: the largest logit, the sum of exponentials and the target's logit; and the
// gradient of the logits where `dlogits` is given. One block a row.
template <class T>
struct CrossEntropyKernel {
  static constexpr const char* kName = "cross_entropy";
  struct Shared {
    SharedArray<float, kWarps> peaks;
    SharedArray<double, kWarps> sums;
  };

  View<const float> logits;     // [rows][vocabulary]
  View<const int32_t> targets;  // [rows]
  View<const float> weights;    // [rows]
  View<float> largest, chosen;  // [rows]
  View<double> sums;            // [rows]
  View<T> dlogits;              // [rows][padded_vocabulary], or empty
  int vocabulary = 0, padded_vocabulary = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared& shared) const {
    const size_t row = context.block().x, begin = row * vocabulary;
    const float peak = Peak(context, shared, begin);
    double sum = 0;
    for (int i = context.thread(); i < vocabulary; i += kThreads)
      sum += static_cast<double>(Exp(logits[begin + i] - peak));
    sum = BlockSum(context, shared.sums, sum);
    const int32_t target = targets[row];
    if (context.thread() == 0) {
      largest[row] = peak;
      sums[row] = sum;
      chosen[row] = logits[begin + target];
    }
    if (dlogits.size() == 0) return;
    const auto inverse = static_cast<float>(1 / sum);
    for (int i = context.thread(); i < vocabulary; i += kThreads) {
      const float p = Exp(logits[begin + i] - peak) * inverse;
      Store(dlogits[row * padded_vocabulary + i], (p - (i == target ? 1.0f : 0.0f)) * weights[row]);
    }
  }

 private:
  template <class Context>
  ORRERY_KERNEL float Peak(Context& context, Shared& shared, size_t begin) const {
    float peak = -HUGE_VALF;
    for (int i = context.thread(); i < vocabulary; i += kThreads) peak = ::fmaxf(peak, logits[begin + i]);
    for (int distance = kWarp / 2; distance > 0; distance /= 2)
      peak = ::fmaxf(peak, context.ShuffleXor(peak, distance));
    if (context.thread() % kWarp == 0) shared.peaks[context.thread() / kWarp] = peak;
    context.Sync();
    for (int warp = 0; warp < kWarps; ++warp) peak = ::fmaxf(peak, shared.peaks[warp]);
    return peak;
  }
};

// sums[b] = Σ x² over the b-th run. One block a run.
struct SquaresKernel {
  static constexpr const char* kName = "squares";
  struct Shared {
    SharedArray<double, kWarps> sums;
  };

  View<const float> x;
  View<double> sums;
  size_t run = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared& shared) const {
    const size_t begin = static_cast<size_t>(context.block().x) * run;
    const size_t end = begin + run < x.size() ? begin + run : x.size();
    double sum = 0;
    for (size_t i = begin + context.thread(); i < end; i += kThreads) {
      const double value = static_cast<double>(x[i]);
      sum += value * value;
    }
    sum = BlockSum(context, shared.sums, sum);
    if (context.thread() == 0) sums[context.block().x] = sum;
  }
};

// A step of AdamW. One thread a parameter.
struct AdamWKernel {
  static constexpr const char* kName = "adamw";
  using Shared = NoShared;

  View<const float> gradient;
  View<float> w, m, v;
  float scale = 0, beta1 = 0, beta2 = 0, rest1 = 0, rest2 = 0;  // rest: 1 − β
  float rate = 0, decay = 0;                                    // decay: rate · decay
  float first = 0, second = 0;                                  // 1 / (1 − β^step)
  float epsilon = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared&) const {
    const size_t i = ElementOf(context);
    if (i >= w.size()) return;
    const float g = gradient[i] * scale;
    const float mean = Fma(beta1, m[i], rest1 * g), square = Fma(beta2, v[i], rest2 * (g * g));
    const float step = mean * first / (::sqrtf(square * second) + epsilon);
    w[i] = w[i] - decay * w[i] - rate * step;
    m[i] = mean;
    v[i] = square;
  }
};

}  // namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE
