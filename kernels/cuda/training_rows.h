// SPDX-License-Identifier: Apache-2.0
#pragma once

// A training step's kernels over rows, elements and columns; kernels/reference/ordered_training.h defines their bits.

#include "kernels/cuda/block_sum.h"
#include "kernels/cuda/view.h"
#include "kernels/kernels.h"
#include "kernels/reference/ordered_training.h"

namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE {

static_assert(kWarps == reference::kSumStripes);

// The element of a flat array that a thread treats.
template <class Context>
ORRERY_KERNEL size_t ElementOf(Context& context) {
  return static_cast<size_t>(context.block().x) * kThreads + context.thread();
}

// to[r][i] = from[r][i], rounded. One thread an element.
template <class T>
struct RoundKernel {
  static constexpr const char* kName = "round";
  using Shared = NoShared;

  View<const float> from;  // [rows][stride]
  View<T> to;              // [rows][padded_width]
  int rows = 0, width = 0, padded_width = 0;
  size_t stride = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared&) const {
    const size_t index = ElementOf(context);
    if (index >= static_cast<size_t>(rows) * width) return;
    const size_t row = index / width, i = index % width;
    Store(to[row * padded_width + i], from[row * stride + i]);
  }
};

// y[r] += bias. One thread an element.
struct AddBiasKernel {
  static constexpr const char* kName = "add_bias";
  using Shared = NoShared;

  View<float> y;  // [rows][width]
  View<const float> bias;
  int rows = 0, width = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared&) const {
    const size_t index = ElementOf(context);
    if (index < static_cast<size_t>(rows) * width) y[index] += bias[index % width];
  }
};

// dtable[token] += the rows of dx that were that token's, in their order. One block a token.
struct EmbedGradientKernel {
  static constexpr const char* kName = "embed_gradient";
  using Shared = NoShared;

  View<const float> dx;               // [rows][width]
  View<float> dtable;                 // [..][width]
  View<const int32_t> order, groups;  // rows by token; where each token's begin, and the end
  View<const int32_t> tokens;         // [groups]
  int width = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared&) const {
    const size_t group = context.block().x, to = static_cast<size_t>(tokens[group]) * width;
    for (int i = context.thread(); i < width; i += kThreads) {
      float sum = dtable[to + i];
      for (int32_t r = groups[group]; r < groups[group + 1]; ++r) sum += dx[static_cast<size_t>(order[r]) * width + i];
      dtable[to + i] = sum;
    }
  }
};

// sums[i] += Σ over rows of y[r][i], or of y[r][i] · (x[r][i] · scale[r]) where x is given. A lane is a column, a warp
// a stripe of rows.
struct ColumnSumsKernel {
  static constexpr const char* kName = "column_sums";
  struct Shared {
    SharedArray<double, kThreads> stripes;
  };

  View<const float> y, x;   // [rows][width]
  View<const float> scale;  // [rows]
  View<float> sums;         // [width]
  int rows = 0, width = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared& shared) const {
    const int warp = context.thread() / kWarp, lane = context.thread() % kWarp;
    const int column = context.block().x * kWarp + lane;
    double sum = 0;
    for (int r = warp; r < rows && column < width; r += kWarps) {
      const size_t at = static_cast<size_t>(r) * width + column;
      sum += static_cast<double>(x.size() > 0 ? y[at] * (x[at] * scale[r]) : y[at]);
    }
    shared.stripes[context.thread()] = sum;
    context.Sync();
    if (warp > 0 || column >= width) return;
    for (int s = 1; s < kWarps; ++s) sum += shared.stripes[s * kWarp + lane];
    sums[column] += static_cast<float>(sum);
  }
};

// dx of an RMSNorm, added; and 1 / rms of each row. One block a row.
struct RmsNormGradientKernel {
  static constexpr const char* kName = "rms_norm_gradient";
  struct Shared {
    SharedArray<float, kWarps> squares, dots;
  };

  View<const float> x, gain, dout;  // [rows][width], [width], [rows][width]
  View<float> dx;                   // [rows][width]
  View<float> inverses;             // [rows]
  int width = 0;
  float eps = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared& shared) const {
    const size_t row = context.block().x, begin = row * width;
    float squares = 0, dot = 0;
    for (int i = context.thread(); i < width; i += kThreads) {
      const float value = x[begin + i];
      squares = Fma(value, value, squares);
      dot = Fma(dout[begin + i] * gain[i], value, dot);
    }
    squares = BlockSum(context, shared.squares, squares);
    dot = BlockSum(context, shared.dots, dot);
    const float inverse = 1 / ::sqrtf(squares / static_cast<float>(width) + eps);
    const float factor = inverse * inverse * (dot / static_cast<float>(width));
    for (int i = context.thread(); i < width; i += kThreads)
      dx[begin + i] += inverse * (dout[begin + i] * gain[i] - x[begin + i] * factor);
    if (context.thread() == 0) inverses[row] = inverse;
  }
};

// Turns each row's first `heads` vectors by its position's angles, or back. One block a row.
struct RopeKernel {
  static constexpr const char* kName = "rope";
  using Shared = NoShared;

  View<float> x;                   // [rows][stride]
  View<const int32_t> positions;   // [rows]
  View<const float> cosine, sine;  // [positions][head_dim / 2]
  RopePairs pairs = RopePairs::kHalves;
  int heads = 0, head_dim = 0;
  bool back = false;
  size_t stride = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared&) const {
    const size_t row = context.block().x;
    const int half = head_dim / 2;
    const size_t angles = static_cast<size_t>(positions[row]) * half;
    for (int i = context.thread(); i < heads * half; i += kThreads) {
      const size_t head = row * stride + static_cast<size_t>(i / half) * head_dim;
      const int d = i % half;
      const size_t a = head + (pairs == RopePairs::kHalves ? d : 2 * d);
      const size_t b = pairs == RopePairs::kHalves ? a + half : a + 1;
      const float first = x[a], second = x[b], c = cosine[angles + d], s = back ? -sine[angles + d] : sine[angles + d];
      x[a] = first * c - second * s;
      x[b] = second * c + first * s;
    }
  }
};

// dgate_up of gate_up: [rows][width gates, width ups]. One thread an element of dout.
struct SwiGluGradientKernel {
  static constexpr const char* kName = "swiglu_gradient";
  using Shared = NoShared;

  View<const float> gate_up, dout;  // [rows][2 · width], [rows][width]
  View<float> dgate_up;             // [rows][2 · width]
  int rows = 0, width = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared&) const {
    const size_t index = ElementOf(context);
    if (index >= static_cast<size_t>(rows) * width) return;
    const size_t at = index / width * 2 * width + index % width;
    const float gate = gate_up[at], slope = dout[index], s = 1 / (1 + Exp(-gate));
    dgate_up[at] = slope * gate_up[at + width] * (s * (gate * (1 - s) + 1));
    dgate_up[at + width] = slope * gate * s;
  }
};

}  // namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE
