// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "kernels/cpu/amx.h"
#include "kernels/cpu/amx_stretches.h"
#include "kernels/cpu/amx_tiles.inc"
#include "kernels/cpu/scratch.h"

namespace orrery::kernels::cpu {

bool AmxAttends(const AttentionShape& shape) { return shape.head_dim % 32 == 0 && shape.head_dim <= 128; }

#pragma GCC push_options
#pragma GCC target("amx-tile,amx-bf16,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,prefer-vector-width=512")

namespace {
#include "kernels/cpu/lanes_avx512.inc"
#include "kernels/cpu/vector_exp.inc"

constexpr int kTile = 16;       // queries in a tile
constexpr int kTileBytes = 64;  // of a tile's row
constexpr int kTileElements = 512;

// The running softmax of a pass's queries: row r's head g is query r · group + g. Arrays have room for kTile queries
// more, which tiles read and nobody uses.
struct Pass {
  int dim, group, queries;
  float scale;       // of scores, in units of log2
  uint16_t* q;       // [queries][dim]
  float* value;      // [queries][dim], not yet divided by sum
  float* largest;    // [queries]
  float* sum;        // [queries]
  float* score;      // [queries][kBlockKeys], of one block
  uint16_t* weight;  // [queries][kBlockKeys]
};

// The rows of a tile that lie in `to` are those of its first `count` queries: the others are not ours to write.
inline void CopyRows(const float (&tile)[kTile][16], int count, float* to, ptrdiff_t stride) {
  for (int i = 0; i < count; ++i) Store(to + i * stride, Load(tile[i]));
}

// score = Q·Kᵀ of a stretch.
void Scores(const Pass& pass, const Stretch& stretch, Ahead& ahead) {
  alignas(64) float left[kTile][16], right[kTile][16];
  for (int page = 0; page < stretch.pages; ++page) {
    for (int first = stretch.first; first < stretch.last; first += kTile) {
      ahead.Step();
      const uint16_t* q = pass.q + ptrdiff_t{first} * pass.dim;
      const uint16_t* keys = stretch.keys[page];
      _tile_zero(0);
      _tile_zero(1);
      for (int d = 0; d < pass.dim; d += 32, keys += 2 * kTileElements) {
        _tile_loadd(4, q + d, pass.dim * 2);
        _tile_loadd(6, keys, kTileBytes);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, keys + kTileElements, kTileBytes);
        _tile_dpbf16ps(1, 4, 7);
      }
      float* score = pass.score + ptrdiff_t{first} * kBlockKeys + (stretch.page + page) * kPageTokens;
      if (first + kTile <= stretch.last) {
        _tile_stored(0, score, kBlockKeys * 4);
        _tile_stored(1, score + 16, kBlockKeys * 4);
        continue;
      }
      _tile_stored(0, left, kTileBytes);
      _tile_stored(1, right, kTileBytes);
      CopyRows(left, stretch.last - first, score, kBlockKeys);
      CopyRows(right, stretch.last - first, score + 16, kBlockKeys);
    }
  }
}

// Lanes [16·i, 16·i + 16) of a block, of which those from `unseen` up to `visible` count; `other` elsewhere.
inline F16 Seen(F16 x, int i, int unseen, int visible, F16 other) {
  return KeepFirst(other, unseen - 16 * i, KeepFirst(x, visible - 16 * i, other));
}

// Turns one query's scores of a block into weights relative to the largest score so far, and brings its sums to that
// scale. It sees the block's keys from `unseen` up to `visible`; whole pages have weights, others are not touched.
void Weigh(const Pass& pass, int query, int unseen, int visible) {
  unseen = unseen < 0 ? 0 : unseen;
  visible = visible > kBlockKeys ? kBlockKeys : visible;
  const int begin = unseen / kPageTokens * 2, end = (visible + kPageTokens - 1) / kPageTokens * 2;
  const bool whole = unseen % kPageTokens == 0 && visible % kPageTokens == 0;
  const float* score = pass.score + ptrdiff_t{query} * kBlockKeys;
  uint16_t* weight = pass.weight + ptrdiff_t{query} * kBlockKeys;
  const F16 hidden = Set(-__builtin_inff()), scale = Set(pass.scale);
  F16 lanes[2 * kBlockPages];
  F16 most = hidden;
  for (int i = begin; i < end; ++i) {
    lanes[i] = Mul(Load(score + 16 * i), scale);
    if (!whole) lanes[i] = Seen(lanes[i], i, unseen, visible, hidden);
    most = Max(most, lanes[i]);
  }
  const float before = pass.largest[query], here = Largest(most);
  const float largest = here > before ? here : before;
  const F16 shift = Set(largest);
  F16 sums = Zero();
  for (int i = begin; i < end; i += 2) {
    F16 low = Exp2(Sub(lanes[i], shift)), high = Exp2(Sub(lanes[i + 1], shift));
    if (!whole) {
      low = Seen(low, i, unseen, visible, Zero());
      high = Seen(high, i + 1, unseen, visible, Zero());
    }
    sums = Add(sums, Add(low, high));
    const __m512bh rounded = _mm512_cvtne2ps_pbh(high, low);
    std::memcpy(weight + 16 * i, &rounded, sizeof rounded);
  }
  const float sum = Sum(sums);
  if (largest == before) {
    pass.sum[query] += sum;
    return;
  }
  pass.largest[query] = largest;
  const F16 shrink = before == -__builtin_inff() ? Zero() : Exp2(Set(before - largest));
  pass.sum[query] = _mm512_cvtss_f32(shrink) * pass.sum[query] + sum;
  float* value = pass.value + ptrdiff_t{query} * pass.dim;
  for (int d = 0; d < pass.dim; d += 16) Store(value + d, Mul(Load(value + d), shrink));
}

// Tile numbers are part of the instructions: the weights of a stretch's page lie in tile 2 + page.
inline void LoadWeights(int page, const uint16_t* weight) {
  constexpr int kStride = kBlockKeys * 2;
  switch (page) {
    case 0: _tile_loadd(2, weight, kStride); break;
    case 1: _tile_loadd(3, weight, kStride); break;
    case 2: _tile_loadd(4, weight, kStride); break;
    default: _tile_loadd(5, weight, kStride);
  }
}

// Sums of 32 dimensions, in tiles 0 and 1, and a page's part of them.
inline void AddPage(int page, const uint16_t* values) {
  _tile_loadd(6, values, kTileBytes);
  _tile_loadd(7, values + kTileElements, kTileBytes);
  switch (page) {
    case 0: {
      _tile_dpbf16ps(0, 2, 6);
      _tile_dpbf16ps(1, 2, 7);
      break;
    }
    case 1: {
      _tile_dpbf16ps(0, 3, 6);
      _tile_dpbf16ps(1, 3, 7);
      break;
    }
    case 2: {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      break;
    }
    default: {
      _tile_dpbf16ps(0, 5, 6);
      _tile_dpbf16ps(1, 5, 7);
    }
  }
}

// value += weight·V of a stretch.
void Gather(const Pass& pass, const Stretch& stretch, Ahead& ahead) {
  alignas(64) float left[kTile][16], right[kTile][16];
  const ptrdiff_t bytes = ptrdiff_t{pass.dim} * 4;
  for (int first = stretch.first; first < stretch.last; first += kTile) {
    const uint16_t* weight = pass.weight + ptrdiff_t{first} * kBlockKeys + stretch.page * kPageTokens;
    for (int page = 0; page < stretch.pages; ++page) LoadWeights(page, weight + page * kPageTokens);
    float* value = pass.value + ptrdiff_t{first} * pass.dim;
    for (int d = 0; d < pass.dim; d += 32) {
      ahead.Step();
      _tile_loadd(0, value + d, bytes);
      _tile_loadd(1, value + d + 16, bytes);
      for (int page = 0; page < stretch.pages; ++page) AddPage(page, stretch.values[page] + d / 16 * kTileElements);
      if (first + kTile <= stretch.last) {
        _tile_stored(0, value + d, bytes);
        _tile_stored(1, value + d + 16, bytes);
        continue;
      }
      _tile_stored(0, left, kTileBytes);
      _tile_stored(1, right, kTileBytes);
      CopyRows(left, stretch.last - first, value + d, pass.dim);
      CopyRows(right, stretch.last - first, value + d + 16, pass.dim);
    }
  }
}

void LoadQueries(const AttentionRows& rows, int kv_head, int first, const Pass& pass) {
  for (int i = 0; i < pass.queries; ++i) {
    const float* q =
        rows.q + (first + i / pass.group) * rows.q_stride + (kv_head * pass.group + i % pass.group) * pass.dim;
    for (int d = 0; d < pass.dim; d += 16) Store(pass.q + static_cast<ptrdiff_t>(i) * pass.dim + d, Load(q + d));
    pass.largest[i] = -__builtin_inff();
    pass.sum[i] = 0;
  }
  std::memset(pass.value, 0, static_cast<size_t>(pass.queries) * pass.dim * 4);
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

// Steps of the work on a block, as Scores, Weigh and Gather take them.
int StepsOf(const Pass& pass, const Stretch* stretches, int number) {
  int steps = pass.queries;
  for (int i = 0; i < number; ++i) {
    const int tiles = (stretches[i].last - stretches[i].first + kTile - 1) / kTile;
    steps += tiles * (stretches[i].pages + pass.dim / 32);
  }
  return steps;
}

void OnePass(const AttentionRows& rows, int first, const Pages& pages, const Pages& after, const Pass& pass) {
  Stretch stretches[2][kPassRows * kBlockPages];  // of this block and of the next one, in turn
  const int keys = pages.keys(), elements = pass.dim * kPageTokens;
  int number = pages.StretchesOf(0, stretches[0]);
  for (int begin = 0, turn = 0; begin < keys; begin += kBlockKeys, turn ^= 1) {
    const Stretch* now = stretches[turn];
    Stretch* next = stretches[turn ^ 1];
    const int end = begin + kBlockKeys;
    const int numbered = end < keys ? pages.StretchesOf(end / kPageTokens, next) : after.StretchesOf(0, next);
    Ahead ahead(next, numbered, elements, StepsOf(pass, now, number));
    for (int i = 0; i < number; ++i) Scores(pass, now[i], ahead);
    for (int query = 0; query < pass.queries; ++query) {
      ahead.Step();
      const int row = query / pass.group;
      if (pages.Sees(row, begin, kBlockKeys))
        Weigh(pass, query, rows.FirstKey(first + row) - begin, rows.lengths[first + row] - begin);
    }
    for (int i = 0; i < number; ++i) Gather(pass, now[i], ahead);
    number = numbered;
  }
}

}  // namespace

void AmxAttend(const AttentionShape& shape, const AttentionRows& rows, int kv_head, int first, int last) {
  LoadWholeTiles();
  const size_t most = static_cast<size_t>(kPassRows) * shape.group() + kTile;
  float* floats = ThreadScratch<float>(most * (shape.head_dim + 2 + kBlockKeys));
  uint16_t* halves = ThreadScratch<uint16_t>(most * (shape.head_dim + kBlockKeys));
  for (; first < last; first += kPassRows) {
    const int count = last - first < kPassRows ? last - first : kPassRows;
    const Pass pass = {.dim = shape.head_dim,
                       .group = shape.group(),
                       .queries = count * shape.group(),
                       .scale = kLog2e / __builtin_sqrtf(static_cast<float>(shape.head_dim)),
                       .q = halves,
                       .value = floats,
                       .largest = floats + most * (shape.head_dim + kBlockKeys),
                       .sum = floats + most * (shape.head_dim + kBlockKeys + 1),
                       .score = floats + most * shape.head_dim,
                       .weight = halves + most * shape.head_dim};
    LoadQueries(rows, kv_head, first, pass);
    const Pages pages(shape, rows, kv_head, first, count, pass.group);
    // What most often comes after: the rows left, else the same rows' next head.
    const int left = last - first - kPassRows, next_head = kv_head + 1;
    const Pages after = left > 0
                            ? Pages(shape, rows, kv_head, first + kPassRows, std::min(left, kPassRows), pass.group)
                            : Pages(shape, rows, next_head, first, next_head < shape.kv_heads ? count : 0, pass.group);
    OnePass(rows, first, pages, after, pass);
    StoreValues(shape, rows, kv_head, first, pass);
  }
  _tile_release();
}

#pragma GCC pop_options

}  // namespace orrery::kernels::cpu
