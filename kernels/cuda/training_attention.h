// SPDX-License-Identifier: Apache-2.0
#pragma once

// Attention of a training step over whole sequences, and its gradient, in float32; kernels/reference/ordered_training.h
// defines the bits.
//
// A block treats one key-value head of a few neighbouring rows of one sequence. Keys (or, for the gradient of keys,
// queries) come into shared memory tile by tile. A warp treats a query (or a key) of its own: for scores a lane is one
// of the tile's, for sums of vectors a lane is one in 32 of the head's dimensions. Every element has one writer.

#include <cmath>

#include "kernels/cuda/view.h"
#include "kernels/kernels.h"
#include "kernels/logarithm.h"
#include "kernels/reference/ordered_training.h"

namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE {

static_assert(kWarp == reference::kSightTile);

inline constexpr int kMostHeadDim = 128;
inline constexpr int kHeadLanes = kMostHeadDim / kWarp;     // dimensions of a lane
inline constexpr int kPieceItems = 32;                      // queries or keys of a block
inline constexpr int kItemsPerWarp = kPieceItems / kWarps;  // of a warp

// What a row sees: rows up to its own from `first` on, but not [prefix, branch).
struct Sight {
  int row, first, prefix, branch;
  ORRERY_KERNEL bool Sees(int other) const {
    return other <= row && other >= first && (other < prefix || other >= branch);
  }
  // Whether any of the rows [low, high).
  ORRERY_KERNEL bool SeesSome(int low, int high) const {
    const int begin = low > first ? low : first, end = high <= row ? high : row + 1;
    return begin < end && (begin < prefix || end > branch);
  }
};

// Neighbouring rows of one sequence.
struct Piece {
  int begin, end;   // of the sequence
  int first, last;  // of the piece: [first, last)
};

// What all three kernels read. A row of qkv holds queries, keys and values, each head's head_dim values together.
struct SequenceRows {
  View<const float> qkv;
  View<const int32_t> sights;  // [rows][3]: first, prefix, branch
  View<const int32_t> pieces;  // [pieces][4]: as Piece
  AttentionShape shape;
  float scale = 0;  // 1 / √head_dim

  ORRERY_KERNEL int group() const { return shape.heads / shape.kv_heads; }
  ORRERY_KERNEL size_t width() const { return static_cast<size_t>(shape.heads + 2 * shape.kv_heads) * shape.head_dim; }
  ORRERY_KERNEL size_t Query(int row, int head) const {
    return row * width() + static_cast<size_t>(head) * shape.head_dim;
  }
  ORRERY_KERNEL size_t Key(int row, int kv_head) const { return Query(row, shape.heads + kv_head); }
  ORRERY_KERNEL size_t Value(int row, int kv_head) const { return Query(row, shape.heads + shape.kv_heads + kv_head); }
  // Of an array [rows][heads].
  ORRERY_KERNEL size_t At(int row, int head) const { return static_cast<size_t>(row) * shape.heads + head; }
  ORRERY_KERNEL Sight SightOf(int row) const {
    const size_t at = static_cast<size_t>(row) * 3;
    return {row, sights[at], sights[at + 1], sights[at + 2]};
  }
  ORRERY_KERNEL Piece PieceOf(int number) const {
    const size_t at = static_cast<size_t>(number) * 4;
    return {pieces[at], pieces[at + 1], pieces[at + 2], pieces[at + 3]};
  }
};

// Vectors of one head in shared memory, head_dim + 1 apart: lanes meet different banks.
using HeadTile = SharedArray<float, kWarp*(kMostHeadDim + 1)>;

// The vectors at from(item) for `count` items.
template <class Context, class From>
ORRERY_KERNEL void LoadHeads(Context& context, HeadTile& tile, const View<const float>& values, int dim, int count,
                             From from) {
  for (int i = context.thread(); i < count * dim; i += kThreads)
    tile[i / dim * (dim + 1) + i % dim] = values[from(i / dim) + i % dim];
}

template <class Context>
ORRERY_KERNEL float WarpSum(Context& context, float value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) value += context.ShuffleXor(value, distance);
  return value;
}

// out = softmax(q·kᵀ/√d)·v of the rows that are seen, and ln of the softmax's sum. A grid of (kv_heads, pieces); a
// piece has at most kPieceItems / group rows.
struct AttendSequencesKernel {
  static constexpr const char* kName = "attend_sequences";
  struct Shared {
    HeadTile keys, values;
  };

  SequenceRows rows;
  View<float> out;       // [rows][heads · head_dim]
  View<float> log_sums;  // [rows][heads]

  static constexpr bool Serves(const AttentionShape& shape) {
    return shape.head_dim <= kMostHeadDim && shape.heads / shape.kv_heads <= kPieceItems;
  }

  // One warp's queries on their way.
  struct Running {
    float largest[kItemsPerWarp], total[kItemsPerWarp], value[kItemsPerWarp][kHeadLanes];
  };

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared& shared) const {
    const Piece piece = rows.PieceOf(context.block().y);
    const int kv_head = context.block().x, dim = rows.shape.head_dim;
    const int warp = context.thread() / kWarp, queries = (piece.last - piece.first) * rows.group();
    Running running;
    ORRERY_UNROLL
    for (int i = 0; i < kItemsPerWarp; ++i) {
      running.largest[i] = -HUGE_VALF;
      running.total[i] = 0;
      ORRERY_UNROLL
      for (int c = 0; c < kHeadLanes; ++c) running.value[i][c] = 0;
    }
    for (int tile = piece.begin; tile < piece.last; tile += kWarp) {
      const int count = piece.last - tile < kWarp ? piece.last - tile : kWarp;
      context.Sync();  // the tile's last readers are done
      LoadHeads(context, shared.keys, rows.qkv, dim, count, [&](int i) { return rows.Key(tile + i, kv_head); });
      LoadHeads(context, shared.values, rows.qkv, dim, count, [&](int i) { return rows.Value(tile + i, kv_head); });
      context.Sync();
      ORRERY_UNROLL
      for (int i = 0; i < kItemsPerWarp; ++i) {
        const int query = warp + i * kWarps;
        if (query >= queries) continue;  // the same for all lanes
        const Sight sight = rows.SightOf(piece.first + query / rows.group());
        if (!sight.SeesSome(tile, tile + count)) continue;
        AddTile(context, shared, sight, kv_head * rows.group() + query % rows.group(), tile, count, running.largest[i],
                running.total[i], running.value[i]);
      }
    }
    StoreAll(context, running, piece, kv_head);
  }

 private:
  template <class Context>
  ORRERY_KERNEL void AddTile(Context& context, Shared& shared, const Sight& sight, int head, int tile, int count,
                             float& largest, float& total, float (&value)[kHeadLanes]) const {
    const int dim = rows.shape.head_dim, lane = context.thread() % kWarp;
    const bool seen = lane < count && sight.Sees(tile + lane);
    float score = -HUGE_VALF;
    if (seen) {
      const size_t q = rows.Query(sight.row, head);
      float dot = 0;
      for (int d = 0; d < dim; ++d) dot = Fma(rows.qkv[q + d], shared.keys[lane * (dim + 1) + d], dot);
      score = dot * rows.scale;
    }
    float peak = score;
    for (int distance = kWarp / 2; distance > 0; distance /= 2)
      peak = ::fmaxf(peak, context.ShuffleXor(peak, distance));
    peak = ::fmaxf(peak, largest);
    const float correction = Exp(largest - peak), weight = seen ? Exp(score - peak) : 0;
    largest = peak;
    total *= correction;
    ORRERY_UNROLL
    for (int c = 0; c < kHeadLanes; ++c) value[c] *= correction;
    for (int j = 0; j < count; ++j) {
      if (!sight.Sees(tile + j)) continue;  // the same for all lanes
      const float w = context.Shuffle(weight, j);
      total += w;
      ORRERY_UNROLL
      for (int c = 0; c < kHeadLanes; ++c) {
        const int d = lane + c * kWarp;
        if (d < dim) value[c] = Fma(w, shared.values[j * (dim + 1) + d], value[c]);
      }
    }
  }

  template <class Context>
  ORRERY_KERNEL void StoreAll(Context& context, const Running& running, const Piece& piece, int kv_head) const {
    const int dim = rows.shape.head_dim, warp = context.thread() / kWarp, lane = context.thread() % kWarp;
    ORRERY_UNROLL
    for (int i = 0; i < kItemsPerWarp; ++i) {
      const int query = warp + i * kWarps;
      if (query >= (piece.last - piece.first) * rows.group()) continue;
      const size_t at = rows.At(piece.first + query / rows.group(), kv_head * rows.group() + query % rows.group());
      ORRERY_UNROLL
      for (int c = 0; c < kHeadLanes; ++c) {
        const int d = lane + c * kWarp;
        if (d < dim) out[at * dim + d] = running.value[i][c] / running.total[i];
      }
      if (lane == 0) log_sums[at] = running.largest[i] + Log(running.total[i]);
    }
  }
};

// What both kernels of the gradient read.
struct SequenceGradient {
  SequenceRows rows;
  View<const float> dout;      // [rows][heads · head_dim]
  View<const float> log_sums;  // [rows][heads]
  View<float> dqkv;            // as qkv
};

// The gradient of queries, and each query's dout·out for the kernel of keys. A grid of (kv_heads, pieces), as above.
struct QueryGradientKernel {
  static constexpr const char* kName = "query_gradient";
  struct Shared {
    HeadTile keys, values;
  };

  SequenceGradient all;
  View<const float> out;    // [rows][heads · head_dim]
  View<float> corrections;  // [rows][heads]

  struct Running {
    float correction[kItemsPerWarp], dq[kItemsPerWarp][kHeadLanes];
  };

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared& shared) const {
    const SequenceRows& rows = all.rows;
    const Piece piece = rows.PieceOf(context.block().y);
    const int kv_head = context.block().x, dim = rows.shape.head_dim;
    const int warp = context.thread() / kWarp, queries = (piece.last - piece.first) * rows.group();
    Running running;
    Begin(context, running, piece, kv_head);
    for (int tile = piece.begin; tile < piece.last; tile += kWarp) {
      const int count = piece.last - tile < kWarp ? piece.last - tile : kWarp;
      context.Sync();  // the tile's last readers are done
      LoadHeads(context, shared.keys, rows.qkv, dim, count, [&](int i) { return rows.Key(tile + i, kv_head); });
      LoadHeads(context, shared.values, rows.qkv, dim, count, [&](int i) { return rows.Value(tile + i, kv_head); });
      context.Sync();
      ORRERY_UNROLL
      for (int i = 0; i < kItemsPerWarp; ++i) {
        const int query = warp + i * kWarps;
        if (query >= queries) continue;  // the same for all lanes
        const Sight sight = rows.SightOf(piece.first + query / rows.group());
        if (!sight.SeesSome(tile, tile + count)) continue;
        AddTile(context, shared, sight, kv_head * rows.group() + query % rows.group(), tile, count,
                running.correction[i], running.dq[i]);
      }
    }
    ORRERY_UNROLL
    for (int i = 0; i < kItemsPerWarp; ++i) {
      const int query = warp + i * kWarps;
      if (query >= queries) continue;
      const size_t to = rows.Query(piece.first + query / rows.group(), kv_head * rows.group() + query % rows.group());
      ORRERY_UNROLL
      for (int c = 0; c < kHeadLanes; ++c) {
        const int d = context.thread() % kWarp + c * kWarp;
        if (d < dim) all.dqkv[to + d] = running.dq[i][c];
      }
    }
  }

 private:
  template <class Context>
  ORRERY_KERNEL void Begin(Context& context, Running& running, const Piece& piece, int kv_head) const {
    const SequenceRows& rows = all.rows;
    const int dim = rows.shape.head_dim, warp = context.thread() / kWarp, lane = context.thread() % kWarp;
    ORRERY_UNROLL
    for (int i = 0; i < kItemsPerWarp; ++i) {
      ORRERY_UNROLL
      for (int c = 0; c < kHeadLanes; ++c) running.dq[i][c] = 0;
      running.correction[i] = 0;
      const int query = warp + i * kWarps;
      if (query >= (piece.last - piece.first) * rows.group()) continue;  // the same for all lanes
      const size_t at = rows.At(piece.first + query / rows.group(), kv_head * rows.group() + query % rows.group());
      float dot = 0;
      for (int d = lane; d < dim; d += kWarp) dot = Fma(all.dout[at * dim + d], out[at * dim + d], dot);
      running.correction[i] = WarpSum(context, dot);
      if (lane == 0) corrections[at] = running.correction[i];
    }
  }

  template <class Context>
  ORRERY_KERNEL void AddTile(Context& context, Shared& shared, const Sight& sight, int head, int tile, int count,
                             float correction, float (&dq)[kHeadLanes]) const {
    const SequenceRows& rows = all.rows;
    const int dim = rows.shape.head_dim, lane = context.thread() % kWarp;
    const size_t q = rows.Query(sight.row, head), at = rows.At(sight.row, head);
    float ds = 0;
    if (lane < count && sight.Sees(tile + lane)) {
      float score = 0, dp = 0;
      for (int d = 0; d < dim; ++d) {
        score = Fma(rows.qkv[q + d], shared.keys[lane * (dim + 1) + d], score);
        dp = Fma(all.dout[at * dim + d], shared.values[lane * (dim + 1) + d], dp);
      }
      ds = Exp(score * rows.scale - all.log_sums[at]) * (dp - correction) * rows.scale;
    }
    for (int j = 0; j < count; ++j) {
      if (!sight.Sees(tile + j)) continue;  // the same for all lanes
      const float slope = context.Shuffle(ds, j);
      ORRERY_UNROLL
      for (int c = 0; c < kHeadLanes; ++c) {
        const int d = lane + c * kWarp;
        if (d < dim) dq[c] = Fma(slope, shared.keys[j * (dim + 1) + d], dq[c]);
      }
    }
  }
};

// The gradient of keys and values. A grid of (kv_heads, pieces); a piece has at most kPieceItems rows, whose keys it
// treats. Queries come in tiles, in ascending order of rows, then of the group's heads.
struct KeyGradientKernel {
  static constexpr const char* kName = "key_gradient";
  struct Shared {
    HeadTile queries, slopes;  // slopes: dout
  };

  SequenceGradient all;
  View<const float> corrections;  // [rows][heads]

  struct Running {
    float dk[kItemsPerWarp][kHeadLanes], dv[kItemsPerWarp][kHeadLanes];
  };

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared& shared) const {
    const SequenceRows& rows = all.rows;
    const Piece piece = rows.PieceOf(context.block().y);
    const int kv_head = context.block().x, dim = rows.shape.head_dim, group = rows.group();
    Running running;
    ORRERY_UNROLL
    for (int i = 0; i < kItemsPerWarp; ++i) {
      ORRERY_UNROLL
      for (int c = 0; c < kHeadLanes; ++c) running.dk[i][c] = running.dv[i][c] = 0;
    }
    const int queries = (piece.end - piece.first) * group;  // from the piece's first row on
    for (int tile = 0; tile < queries; tile += kWarp) {
      const int count = queries - tile < kWarp ? queries - tile : kWarp;
      const auto row = [&](int i) { return piece.first + (tile + i) / group; };
      const auto head = [&](int i) { return kv_head * group + (tile + i) % group; };
      context.Sync();  // the tile's last readers are done
      LoadHeads(context, shared.queries, rows.qkv, dim, count, [&](int i) { return rows.Query(row(i), head(i)); });
      LoadHeads(context, shared.slopes, all.dout, dim, count, [&](int i) { return rows.At(row(i), head(i)) * dim; });
      context.Sync();
      ORRERY_UNROLL
      for (int i = 0; i < kItemsPerWarp; ++i) {
        const int key = piece.first + context.thread() / kWarp + i * kWarps;
        if (key >= piece.last) continue;  // the same for all lanes
        AddTile(context, shared, piece.first, kv_head, key, tile, count, running.dk[i], running.dv[i]);
      }
    }
    StoreAll(context, running, piece, kv_head);
  }

 private:
  template <class Context>
  ORRERY_KERNEL void AddTile(Context& context, Shared& shared, int first, int kv_head, int key, int tile, int count,
                             float (&dk)[kHeadLanes], float (&dv)[kHeadLanes]) const {
    const SequenceRows& rows = all.rows;
    const int dim = rows.shape.head_dim, lane = context.thread() % kWarp, group = rows.group();
    const auto row = [&](int i) { return first + (tile + i) / group; };
    float p = 0, ds = 0;
    if (lane < count && rows.SightOf(row(lane)).Sees(key)) {
      const size_t k = rows.Key(key, kv_head), v = rows.Value(key, kv_head);
      float score = 0, dp = 0;
      for (int d = 0; d < dim; ++d) {
        score = Fma(shared.queries[lane * (dim + 1) + d], rows.qkv[k + d], score);
        dp = Fma(shared.slopes[lane * (dim + 1) + d], rows.qkv[v + d], dp);
      }
      const size_t at = rows.At(row(lane), kv_head * group + (tile + lane) % group);
      p = Exp(score * rows.scale - all.log_sums[at]);
      ds = p * (dp - corrections[at]) * rows.scale;
    }
    for (int j = 0; j < count; ++j) {
      if (!rows.SightOf(row(j)).Sees(key)) continue;  // the same for all lanes
      const float weight = context.Shuffle(p, j), slope = context.Shuffle(ds, j);
      ORRERY_UNROLL
      for (int c = 0; c < kHeadLanes; ++c) {
        const int d = lane + c * kWarp;
        if (d >= dim) continue;
        dk[c] = Fma(slope, shared.queries[j * (dim + 1) + d], dk[c]);
        dv[c] = Fma(weight, shared.slopes[j * (dim + 1) + d], dv[c]);
      }
    }
  }

  template <class Context>
  ORRERY_KERNEL void StoreAll(Context& context, const Running& running, const Piece& piece, int kv_head) const {
    const int dim = all.rows.shape.head_dim;
    ORRERY_UNROLL
    for (int i = 0; i < kItemsPerWarp; ++i) {
      const int key = piece.first + context.thread() / kWarp + i * kWarps;
      if (key >= piece.last) continue;
      ORRERY_UNROLL
      for (int c = 0; c < kHeadLanes; ++c) {
        const int d = context.thread() % kWarp + c * kWarp;
        if (d >= dim) continue;
        all.dqkv[all.rows.Key(key, kv_head) + d] = running.dk[i][c];
        all.dqkv[all.rows.Value(key, kv_head) + d] = running.dv[i][c];
      }
    }
  }
};

}  // namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE
