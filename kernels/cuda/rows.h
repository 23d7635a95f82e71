// SPDX-License-Identifier: Apache-2.0
#pragma once

// Kernels that treat each row on its own: embedding, RMSNorm, SwiGLU, the residual's addition.

#include "kernels/cuda/block_sum.h"
#include "kernels/cuda/view.h"

namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE {

// x[r] = table[numbers[r]]. One block a row.
struct EmbedKernel {
  static constexpr const char* kName = "embed";
  using Shared = NoShared;

  View<const float> table;      // [rows of the table][width]
  View<const int32_t> numbers;  // [rows]
  View<float> x;                // [rows][width]
  int width = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared&) const {
    const size_t row = context.block().x, from = static_cast<size_t>(numbers[row]) * width;
    for (int i = context.thread(); i < width; i += kThreads) x[row * width + i] = table[from + i];
  }
};

// out[r] = x[which[r]] / rms · gain; `which` may be empty: row r itself. One block a row.
template <class T>
struct RmsNormKernel {
  static constexpr const char* kName = "rms_norm";
  struct Shared {
    SharedArray<float, kWarps> sums;
  };

  View<const float> x, gain;  // [..][width], [width]
  View<const int32_t> which;
  View<T> out;  // [rows][padded_width]
  int width = 0, padded_width = 0;
  float eps = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared& shared) const {
    const size_t row = context.block().x;
    const size_t from = (which.size() > 0 ? static_cast<size_t>(which[row]) : row) * width;
    float sum = 0;
    for (int i = context.thread(); i < width; i += kThreads) sum = Fma(x[from + i], x[from + i], sum);
    sum = BlockSum(context, shared.sums, sum);
    const float scale = 1 / ::sqrtf(sum / static_cast<float>(width) + eps);
    for (int i = context.thread(); i < width; i += kThreads)
      Store(out[row * padded_width + i], x[from + i] * scale * gain[i]);
  }
};

// out[r][i] = silu(gate)·up; a row holds runs of `run` gates and their ups in turn. One thread an element.
template <class T>
struct SwiGluKernel {
  static constexpr const char* kName = "swiglu";
  using Shared = NoShared;

  View<const float> gate_up;  // [rows][stride]
  View<T> out;                // [rows][padded_width]
  int rows = 0, width = 0, stride = 0, padded_width = 0, run = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared&) const {
    const size_t index = static_cast<size_t>(context.block().x) * kThreads + context.thread();
    if (index >= static_cast<size_t>(rows) * width) return;
    const size_t row = index / width, i = index % width;
    const size_t at = row * stride + i / run * 2 * run + i % run;
    const float gate = gate_up[at];
    Store(out[row * padded_width + i], gate / (1 + Exp(-gate)) * gate_up[at + run]);
  }
};

// x[r][i] += y[r][i]. One thread an element.
struct AddKernel {
  static constexpr const char* kName = "add";
  using Shared = NoShared;

  View<float> x;        // [rows][width]
  View<const float> y;  // [rows][stride]
  int rows = 0, width = 0, stride = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared&) const {
    const size_t index = static_cast<size_t>(context.block().x) * kThreads + context.thread();
    if (index >= static_cast<size_t>(rows) * width) return;
    x[index] += y[index / width * stride + index % width];
  }
};

}  // namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE
