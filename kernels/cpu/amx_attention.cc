// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include <cstring>

#include "kernels/cpu/amx.h"
#include "kernels/cpu/amx_tiles.inc"
#include "kernels/cpu/scratch.h"

namespace orrery::kernels::cpu {

size_t AmxKeyIndex(int head_dim, int kv_head, int d, int slot) {
  const size_t head = static_cast<size_t>(kv_head) * head_dim * kPageTokens;
  return head + static_cast<size_t>((d / 32) * 2 + slot / 16) * 512 +
         static_cast<size_t>(d % 32 / 2 * 32 + slot % 16 * 2 + d % 2);
}

size_t AmxValueIndex(int head_dim, int kv_head, int d, int slot) {
  const size_t head = static_cast<size_t>(kv_head) * head_dim * kPageTokens;
  return head + static_cast<size_t>(d / 16) * 512 + static_cast<size_t>(slot / 2 * 32 + d % 16 * 2 + slot % 2);
}

bool AmxAttends(const AttentionShape& shape) { return shape.head_dim % 32 == 0 && shape.head_dim <= 128; }

#pragma GCC push_options
#pragma GCC target("amx-tile,amx-bf16,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,prefer-vector-width=512")

namespace {
#include "kernels/cpu/lanes_avx512.inc"
#include "kernels/cpu/vector_exp.inc"

constexpr int kRows = 32;       // rows of one pass: their queries and sums stay in the second-level cache
constexpr int kTile = 16;       // queries in a tile
constexpr int kTileBytes = 64;  // of a tile's row

// The running softmax of a pass's queries: row r's head g is query r · group + g.
struct Pass {
  int dim, group, queries;
  float scale;     // of scores, in units of log2
  uint16_t* q;     // [queries + kTile][dim]
  float* value;    // [queries + kTile][dim], not yet divided by sum
  float* largest;  // [queries + kTile]
  float* sum;
};

struct alignas(64) TileScores {
  float score[kTile][kPageTokens];
  uint16_t weight[kTile][kPageTokens];
};

// scores = Q·Kᵀ for sixteen queries and a page's keys.
inline void Scores(const Pass& pass, int first, const uint16_t* keys, TileScores& tile) {
  const uint16_t* q = pass.q + static_cast<ptrdiff_t>(first) * pass.dim;
  _tile_zero(0);
  _tile_zero(1);
  for (int d = 0; d < pass.dim; d += 32, keys += 1024) {
    _tile_loadd(4, q + d, pass.dim * 2);
    _tile_loadd(6, keys, kTileBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, keys + 512, kTileBytes);
    _tile_dpbf16ps(1, 4, 7);
  }
  _tile_stored(0, &tile.score[0][0], kPageTokens * 4);
  _tile_stored(1, &tile.score[0][16], kPageTokens * 4);
}

// Turns one query's scores into weights relative to the largest score so far, and brings its sums to that scale.
inline void Weigh(const Pass& pass, int query, int unseen, int visible, const float* scores, uint16_t* weights) {
  const F16 hidden = Set(-__builtin_inff());
  F16 low = Mul(Load(scores), Set(pass.scale)), high = Mul(Load(scores + 16), Set(pass.scale));
  if (visible < kPageTokens) {
    low = KeepFirst(low, visible, hidden);
    high = KeepFirst(high, visible - 16, hidden);
  }
  if (unseen > 0) {
    low = KeepFirst(hidden, unseen, low);
    high = KeepFirst(hidden, unseen - 16, high);
  }
  const float before = pass.largest[query];
  const float here = Largest(Max(low, high));
  const float largest = here > before ? here : before;
  low = Exp2(Sub(low, Set(largest)));
  high = Exp2(Sub(high, Set(largest)));
  if (visible < kPageTokens) {
    low = KeepFirst(low, visible, Zero());
    high = KeepFirst(high, visible - 16, Zero());
  }
  if (unseen > 0) {
    low = KeepFirst(Zero(), unseen, low);
    high = KeepFirst(Zero(), unseen - 16, high);
  }
  Store(weights, low);
  Store(weights + 16, high);
  const float sum = Sum(Add(low, high));
  if (largest == before) {
    pass.sum[query] += sum;
    return;
  }
  pass.largest[query] = largest;
  const F16 shrink = before == -__builtin_inff() ? Zero() : Exp2(Set(before - largest));
  pass.sum[query] = _mm512_cvtss_f32(shrink) * pass.sum[query] + sum;
  float* value = pass.value + static_cast<ptrdiff_t>(query) * pass.dim;
  for (int d = 0; d < pass.dim; d += 16) Store(value + d, Mul(Load(value + d), shrink));
}

// value += weights·V for sixteen queries.
inline void Gather(const Pass& pass, int first, const uint16_t* values, const TileScores& tile) {
  float* value = pass.value + static_cast<ptrdiff_t>(first) * pass.dim;
  const ptrdiff_t bytes = static_cast<ptrdiff_t>(pass.dim) * 4;
  _tile_loadd(4, &tile.weight[0][0], kPageTokens * 2);
  for (int d = 0; d < pass.dim; d += 32, values += 1024) {
    _tile_loadd(2, value + d, bytes);
    _tile_loadd(6, values, kTileBytes);
    _tile_dpbf16ps(2, 4, 6);
    _tile_loadd(3, value + d + 16, bytes);
    _tile_loadd(7, values + 512, kTileBytes);
    _tile_dpbf16ps(3, 4, 7);
    _tile_stored(2, value + d, bytes);
    _tile_stored(3, value + d + 16, bytes);
  }
}

// The queries [first, last) all see `page`: of its keys those from unseen(query) up to visible(query).
template <class Unseen, class Visible>
void Page(const Pass& pass, int first, int last, const uint16_t* keys, const uint16_t* values, const Unseen& unseen,
          const Visible& visible) {
  TileScores tile;
  for (; first < last; first += kTile) {
    const int count = last - first < kTile ? last - first : kTile;
    Scores(pass, first, keys, tile);
    for (int i = 0; i < count; ++i)
      Weigh(pass, first + i, unseen(first + i), visible(first + i), tile.score[i], tile.weight[i]);
    // Queries beyond the last one belong to other pages: they gain nothing here.
    for (int i = count; i < kTile; ++i) std::memset(tile.weight[i], 0, sizeof tile.weight[i]);
    Gather(pass, first, values, tile);
  }
}

void LoadQueries(const AttentionShape& shape, const AttentionRows& rows, int kv_head, int first, const Pass& pass) {
  for (int i = 0; i < pass.queries; ++i) {
    const float* q =
        rows.q + (first + i / pass.group) * rows.q_stride + (kv_head * pass.group + i % pass.group) * pass.dim;
    for (int d = 0; d < pass.dim; d += 16) Store(pass.q + static_cast<ptrdiff_t>(i) * pass.dim + d, Load(q + d));
    pass.largest[i] = -__builtin_inff();
    pass.sum[i] = 0;
  }
  std::memset(pass.q + static_cast<ptrdiff_t>(pass.queries) * pass.dim, 0, static_cast<size_t>(kTile) * pass.dim * 2);
  std::memset(pass.value, 0, static_cast<size_t>(pass.queries + kTile) * pass.dim * 4);
}

void StoreValues(const AttentionShape& shape, const AttentionRows& rows, int kv_head, int first, const Pass& pass) {
  const ptrdiff_t stride = PaddedWidth(shape.heads * pass.dim);
  for (int i = 0; i < pass.queries; ++i) {
    uint16_t* out = static_cast<uint16_t*>(rows.out) + (first + i / pass.group) * stride +
                    (kv_head * pass.group + i % pass.group) * pass.dim;
    const F16 inverse = Set(1.0f / pass.sum[i]);
    for (int d = 0; d < pass.dim; d += 16)
      Store(out + d, Mul(Load(pass.value + static_cast<ptrdiff_t>(i) * pass.dim + d), inverse));
  }
}

void OnePass(const AttentionShape& shape, const AttentionRows& rows, int kv_head, int first, int count,
             const Pass& pass) {
  const int32_t* lengths = rows.lengths + first;
  const int32_t* const* tables = rows.pages + first;
  const ptrdiff_t head_elements = static_cast<ptrdiff_t>(shape.head_dim) * kPageTokens;
  const auto seen = [&](int r, int begin) {
    return lengths[r] > begin && rows.FirstKey(first + r) < begin + kPageTokens;
  };
  bool more = true;
  for (int page = 0; more; ++page) {
    more = false;
    const int begin = page * kPageTokens;
    for (int r = 0; r < count;) {
      more = more || lengths[r] > begin;
      if (!seen(r, begin)) {
        ++r;
        continue;
      }
      const int32_t number = tables[r][page];
      int end = r + 1;
      while (end < count && seen(end, begin) && tables[end][page] == number) ++end;
      const uint8_t* base = rows.kv + static_cast<size_t>(number) * rows.kv_stride;
      const uint16_t* keys = reinterpret_cast<const uint16_t*>(base) + kv_head * head_elements;
      const uint16_t* values = keys + shape.kv_heads * head_elements;
      Page(
          pass, r * pass.group, end * pass.group, keys, values,
          [&](int query) { return rows.FirstKey(first + query / pass.group) - begin; },
          [&](int query) { return lengths[query / pass.group] - begin; });
      r = end;
    }
  }
}

}  // namespace

void AmxAttend(const AttentionShape& shape, const AttentionRows& rows, int kv_head, int first, int last) {
  LoadWholeTiles();
  const size_t most = static_cast<size_t>(kRows) * shape.group() + kTile;
  ScratchArray<uint16_t> q(most * shape.head_dim);
  ScratchArray<float> value(most * shape.head_dim), largest(most), sum(most);
  for (; first < last; first += kRows) {
    const int count = last - first < kRows ? last - first : kRows;
    const float scale = kLog2e / __builtin_sqrtf(static_cast<float>(shape.head_dim));
    const Pass pass = {shape.head_dim, shape.group(), count * shape.group(), scale,
                       q.data(),       value.data(),  largest.data(),        sum.data()};
    LoadQueries(shape, rows, kv_head, first, pass);
    OnePass(shape, rows, kv_head, first, count, pass);
    StoreValues(shape, rows, kv_head, first, pass);
  }
  _tile_release();
}

#pragma GCC pop_options

}  // namespace orrery::kernels::cpu
