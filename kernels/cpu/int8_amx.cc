// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "kernels/cpu/amx_tiles.inc"
#include "kernels/cpu/int8.h"

namespace orrery::kernels::cpu {

#pragma GCC push_options
#pragma GCC target("amx-tile,amx-int8,avx512f")

namespace {

constexpr int kTileBytes = 1024;
constexpr int kLineBytes = 64;

// Sums of 32 rows by 32 columns, as the tiles hold them.
struct alignas(64) Sums {
  int32_t rows[32][32];
};

// Sums on their way to y, a few rows at a time: vectors scale one pair of tiles' sums while the tiles make the next.
struct Scaling {
  const Sums* sums;
  const float* column_scales;
  int depth;
  const uint8_t* x;
  ptrdiff_t stride;
  float* y;
  ptrdiff_t y_stride;
  int rows;  // that are left

  void Some(int most) {
    const __m512 left = _mm512_loadu_ps(column_scales), right = _mm512_loadu_ps(column_scales + 16);
    for (int i = std::min(most, rows); i > 0; --i, --rows) {
      const int r = rows - 1;
      float scale;
      std::memcpy(&scale, x + r * stride + depth, sizeof(scale));
      const __m512 row = _mm512_set1_ps(scale);
      const __m512 low = _mm512_cvtepi32_ps(_mm512_load_si512(&sums->rows[r][0]));
      const __m512 high = _mm512_cvtepi32_ps(_mm512_load_si512(&sums->rows[r][16]));
      _mm512_storeu_ps(y + r * y_stride, _mm512_mul_ps(low, _mm512_mul_ps(row, left)));
      _mm512_storeu_ps(y + r * y_stride + 16, _mm512_mul_ps(high, _mm512_mul_ps(row, right)));
    }
  }
};

// One panel by 16 or 32 rows. Meanwhile `lines` cache lines a step of what is multiplied next come from memory, and the
// sums of the panel or rows before are scaled.
template <bool kBoth>
void Multiply(const int8_t* w, int depth, const uint8_t* x, ptrdiff_t stride, const int8_t*& next, int lines,
              Scaling& before, Sums& sums) {
  const uint8_t* lower = x + 16 * stride;
  const int steps = depth / 64, scaled = (32 + steps - 1) / steps;
  _tile_zero(0);
  _tile_zero(1);
  if constexpr (kBoth) {
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int i = 0; i < depth; i += 64, w += 2 * kTileBytes) {
    for (int line = 0; line < lines; ++line)
      _mm_prefetch(reinterpret_cast<const char*>(next + line * kLineBytes), _MM_HINT_T1);
    next += lines * kLineBytes;
    _tile_loadd(6, w, 64);
    _tile_loadd(4, x + i, stride);
    _tile_dpbssd(0, 4, 6);
    _tile_loadd(7, w + kTileBytes, 64);
    _tile_dpbssd(1, 4, 7);
    if constexpr (kBoth) {
      _tile_loadd(5, lower + i, stride);
      _tile_dpbssd(2, 5, 6);
      _tile_dpbssd(3, 5, 7);
    }
    before.Some(scaled);
  }
  _tile_stored(0, &sums.rows[0][0], sizeof(sums.rows[0]));
  _tile_stored(1, &sums.rows[0][16], sizeof(sums.rows[0]));
  if constexpr (kBoth) {
    _tile_stored(2, &sums.rows[16][0], sizeof(sums.rows[0]));
    _tile_stored(3, &sums.rows[16][16], sizeof(sums.rows[0]));
  }
}

}  // namespace

void AmxInt8Product(const Int8Block& w, const uint8_t* x, int rows, float* y, ptrdiff_t y_stride) {
  LoadWholeTiles();
  const ptrdiff_t stride = w.depth + 64, panel = ptrdiff_t{32} * w.depth;
  const int passes = (rows + 31) / 32, lines = std::max(1, 2 * kTileBytes / kLineBytes / passes);
  Sums sums[2];
  int turn = 0;
  Scaling before{.sums = &sums[1], .column_scales = w.scales, .rows = 0};
  for (int p = 0; p < w.panels; ++p) {
    const int8_t* next = w.values + (p + 1) * panel;
    for (int r = 0; r < rows; r += 32, turn ^= 1) {
      const uint8_t* from = x + r * stride;
      if (r + 16 < rows) {
        Multiply<true>(w.values + p * panel, w.depth, from, stride, next, lines, before, sums[turn]);
      } else {
        Multiply<false>(w.values + p * panel, w.depth, from, stride, next, lines, before, sums[turn]);
      }
      before = {.sums = &sums[turn],
                .column_scales = w.scales + 32 * p,
                .depth = w.depth,
                .x = from,
                .stride = stride,
                .y = y + r * y_stride + 32 * p,
                .y_stride = y_stride,
                .rows = std::min(32, rows - r)};
    }
  }
  before.Some(32);
  _tile_release();
}

#pragma GCC pop_options

}  // namespace orrery::kernels::cpu
