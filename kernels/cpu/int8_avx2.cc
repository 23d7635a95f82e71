// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include <cstring>

#include "kernels/cpu/int8.h"
#include "kernels/quantise.h"

namespace orrery::kernels::cpu {
namespace {

// R rows by one half panel: sixteen columns. Pairs of k are summed apart until the end.
template <int R>
void Tile(const int8_t* w, int depth, const uint8_t* x, ptrdiff_t stride, __m256i (&sum)[R][4]) {
#pragma GCC unroll 16
  for (auto& row : sum)
#pragma GCC unroll 16
    for (__m256i& four : row) four = _mm256_setzero_si256();
  for (int i = 0; i < depth; i += 4) {
    const int8_t* group = w + ptrdiff_t{i / 64} * 2048 + i % 64 / 4 * 64;
    __m256i columns[4];
#pragma GCC unroll 16
    for (int c = 0; c < 4; ++c)
      columns[c] = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(group + 16 * c)));
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      int32_t four;
      std::memcpy(&four, x + r * stride + i, 4);
      const __m256i value = _mm256_cvtepi8_epi16(_mm_set1_epi32(four));
#pragma GCC unroll 16
      for (int c = 0; c < 4; ++c) sum[r][c] = _mm256_add_epi32(sum[r][c], _mm256_madd_epi16(columns[c], value));
    }
  }
}

template <int R>
void Rows(const Int8Block& w, int half, const uint8_t* x, ptrdiff_t stride, float* y, ptrdiff_t y_stride) {
  __m256i sum[R][4];
  Tile<R>(w.values + ptrdiff_t{half / 2} * 32 * w.depth + half % 2 * 1024, w.depth, x, stride, sum);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    float scale;
    std::memcpy(&scale, x + r * stride + w.depth, sizeof(scale));
#pragma GCC unroll 16
    for (int c = 0; c < 4; ++c) {
      int32_t pairs[8];
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(pairs), sum[r][c]);
      for (int i = 0; i < 4; ++i)
        y[r * y_stride + 4 * c + i] =
            Dequantised(pairs[2 * i] + pairs[2 * i + 1], scale, w.scales[16 * half + 4 * c + i]);
    }
  }
}

}  // namespace

void Avx2Int8Product(const Int8Block& w, const uint8_t* x, int rows, float* y, ptrdiff_t y_stride) {
  const ptrdiff_t stride = w.depth + 64;
  for (int half = 0; half < 2 * w.panels; ++half) {
    int r = 0;
    for (; r + 2 <= rows; r += 2) Rows<2>(w, half, x + r * stride, stride, y + r * y_stride + 16 * half, y_stride);
    if (r < rows) Rows<1>(w, half, x + r * stride, stride, y + r * y_stride + 16 * half, y_stride);
  }
}

}  // namespace orrery::kernels::cpu
