// SPDX-License-Identifier: Apache-2.0
#pragma once

// Attention over pages, in float32 with online softmax in ascending order of keys.
//
// A block treats one key-value head of a few neighbouring rows: at most kQueries queries. A page comes into shared
// memory once for all the rows in sequence that share it, keys first, then values in the same place. A warp treats a
// query of its own: for scores a lane is a key of the page, for values a lane is one in 32 of the head's dimensions.
// What is computed for a query depends on its own keys alone: neither the block's other queries nor the sharing of
// pages changes the order of any sum.

#include <cmath>

#include "kernels/cuda/pages.h"
#include "kernels/cuda/view.h"
#include "kernels/kernels.h"

namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE {

template <class T>
struct AttendKernel {
  static constexpr const char* kName = "attend";
  static constexpr int kQueries = 32;                 // of a block
  static constexpr int kPerWarp = kQueries / kWarps;  // queries of a warp
  static constexpr int kMostDim = 128;                // of a head
  static constexpr int kPerLane = kMostDim / kWarp;   // dimensions of a lane
  static_assert(kPageTokens == kWarp);
  struct Shared {
    SharedArray<float, kPageTokens*(kMostDim + 1)> tile;  // keys lie head_dim + 1 apart: lanes meet different banks
    SharedArray<float, kQueries * kMostDim> q;
  };

  View<const float> qkv;  // [rows][stride], queries first
  PageTable<T> table;
  View<T> out;  // [rows][out_stride]
  AttentionShape shape;
  size_t stride = 0, out_stride = 0;
  int rows = 0, rows_per_block = 0;  // grid: (kv_heads, ⌈rows / rows_per_block⌉)
  float scale = 0;                   // 1 / √head_dim
  int window = 0;                    // a row sees its last `window` keys; 0: all

  static constexpr bool Serves(const AttentionShape& shape) {
    return shape.head_dim <= kMostDim && shape.heads / shape.kv_heads <= kQueries;
  }
  static constexpr int RowsPerBlock(const AttentionShape& shape) { return kQueries / (shape.heads / shape.kv_heads); }

  // One warp's queries on their way.
  struct Running {
    float largest[kPerWarp], total[kPerWarp], value[kPerWarp][kPerLane];
  };

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared& shared) const {
    const int first = context.block().y * rows_per_block;
    const int last = first + rows_per_block < rows ? first + rows_per_block : rows;
    LoadQueries(context, shared, first, last);
    Running running;
    ORRERY_UNROLL
    for (int i = 0; i < kPerWarp; ++i) {
      running.largest[i] = -HUGE_VALF;
      running.total[i] = 0;
      ORRERY_UNROLL
      for (int c = 0; c < kPerLane; ++c) running.value[i][c] = 0;
    }
    int pages = 0;
    for (int r = first; r < last; ++r) pages = Pages(r) > pages ? Pages(r) : pages;
    for (int p = 0; p < pages; ++p) {
      for (int begin = first, end; begin < last; begin = end) {
        end = begin + 1;
        if (!Sees(begin, p)) continue;
        const int32_t page = table.page(begin, p);
        while (end < last && Sees(end, p) && table.page(end, p) == page) ++end;
        AttendPage(context, shared, running, table.begin(page), p * kPageTokens, first, begin, end);
      }
    }
    StoreValues(context, running, first, last);
  }

 private:
  ORRERY_KERNEL int group() const { return shape.heads / shape.kv_heads; }
  ORRERY_KERNEL int Pages(int row) const { return table.positions[row] / kPageTokens + 1; }
  // The first key that a row sees.
  ORRERY_KERNEL int FirstKey(int row) const {
    const int keys = table.positions[row] + 1;
    return window > 0 && keys > window ? keys - window : 0;
  }
  ORRERY_KERNEL bool Sees(int row, int page) const { return page < Pages(row) && page >= FirstKey(row) / kPageTokens; }

  template <class Context>
  ORRERY_KERNEL void LoadQueries(Context& context, Shared& shared, int first, int last) const {
    const int dim = shape.head_dim;
    for (int i = context.thread(); i < (last - first) * group() * dim; i += kThreads) {
      const int query = i / dim, head = context.block().x * group() + query % group();
      shared.q[i] = qkv[static_cast<size_t>(first + query / group()) * stride + head * dim + i % dim];
    }
  }

  // One head's keys or values of a page, `apart` floats from token to token.
  template <class Context>
  ORRERY_KERNEL void LoadTile(Context& context, Shared& shared, size_t begin, int apart) const {
    const int dim = shape.head_dim;
    for (int i = context.thread(); i < kPageTokens * dim; i += kThreads)
      shared.tile[i / dim * apart + i % dim] = Load(table.kv[begin + i]);
  }

  // The page at `begin`, whose first key stands at `position`, for the rows from `from` to before `to`.
  template <class Context>
  ORRERY_KERNEL void AttendPage(Context& context, Shared& shared, Running& running, size_t begin, int position,
                                int first, int from, int to) const {
    const int dim = shape.head_dim, warp = context.thread() / kWarp, lane = context.thread() % kWarp;
    const int low = (from - first) * group(), high = (to - first) * group();
    const size_t head = begin + static_cast<size_t>(context.block().x) * kPageTokens * dim;
    context.Sync();  // the tile's last readers are done, and the queries are there
    LoadTile(context, shared, head, dim + 1);
    context.Sync();
    float scores[kPerWarp];
    ORRERY_UNROLL
    for (int i = 0; i < kPerWarp; ++i) {
      const int query = warp + i * kWarps;
      scores[i] = -HUGE_VALF;
      if (query < low || query >= high) continue;
      const int row = first + query / group(), key = position + lane;
      if (key > table.positions[row] || key < FirstKey(row)) continue;
      float dot = 0;
      for (int d = 0; d < dim; ++d) dot = Fma(shared.q[query * dim + d], shared.tile[lane * (dim + 1) + d], dot);
      scores[i] = dot * scale;
    }
    context.Sync();  // all have read the keys
    LoadTile(context, shared, head + static_cast<size_t>(shape.kv_heads) * kPageTokens * dim, dim);
    context.Sync();
    ORRERY_UNROLL
    for (int i = 0; i < kPerWarp; ++i) {
      const int query = warp + i * kWarps;
      if (query < low || query >= high) continue;  // the same for all lanes
      const int left = table.positions[first + query / group()] + 1 - position;
      AddValues(context, shared, scores[i], left < kPageTokens ? left : kPageTokens, running.largest[i],
                running.total[i], running.value[i]);
    }
  }

  template <class Context>
  ORRERY_KERNEL void AddValues(Context& context, Shared& shared, float score, int keys, float& largest, float& total,
                               float (&value)[kPerLane]) const {
    const int dim = shape.head_dim, lane = context.thread() % kWarp;
    float peak = score;
    for (int distance = kWarp / 2; distance > 0; distance /= 2)
      peak = ::fmaxf(peak, context.ShuffleXor(peak, distance));
    peak = ::fmaxf(peak, largest);
    const float correction = Exp(largest - peak), weight = lane < keys ? Exp(score - peak) : 0;
    largest = peak;
    total *= correction;
    ORRERY_UNROLL
    for (int c = 0; c < kPerLane; ++c) value[c] *= correction;
    for (int j = 0; j < keys; ++j) {
      const float w = context.Shuffle(weight, j);
      total += w;
      ORRERY_UNROLL
      for (int c = 0; c < kPerLane; ++c) {
        const int d = lane + c * kWarp;
        if (d < dim) value[c] = Fma(w, shared.tile[j * dim + d], value[c]);
      }
    }
  }

  template <class Context>
  ORRERY_KERNEL void StoreValues(Context& context, const Running& running, int first, int last) const {
    const int dim = shape.head_dim, warp = context.thread() / kWarp, lane = context.thread() % kWarp;
    ORRERY_UNROLL
    for (int i = 0; i < kPerWarp; ++i) {
      const int query = warp + i * kWarps;
      if (query >= (last - first) * group()) continue;
      const int head = context.block().x * group() + query % group();
      const size_t at = static_cast<size_t>(first + query / group()) * out_stride + head * dim;
      ORRERY_UNROLL
      for (int c = 0; c < kPerLane; ++c) {
        const int d = lane + c * kWarp;
        if (d < dim) Store(out[at + d], running.value[i][c] / running.total[i]);
      }
    }
  }
};

}  // namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE
