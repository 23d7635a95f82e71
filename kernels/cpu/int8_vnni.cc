// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include <cstring>

#include "kernels/cpu/int8.h"

namespace orrery::kernels::cpu {

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512vnni")

namespace {

// The instruction takes one factor without sign: activations are shifted up by 128, and 128 times the column's sum is
// taken off at the end.
constexpr int32_t kShift = static_cast<int32_t>(0x80808080);

template <int R>
void Rows(const Int8Block& w, int panel, const uint8_t* x, ptrdiff_t stride, float* y, ptrdiff_t y_stride) {
  __m512i sum[R][2];
  for (auto& row : sum) row[0] = row[1] = _mm512_setzero_si512();
  const int8_t* values = w.values + ptrdiff_t{panel} * 32 * w.depth;
  for (int i = 0; i < w.depth; i += 64, values += 2048) {
    for (int g = 0; g < 16; ++g) {
      const __m512i left = _mm512_loadu_si512(values + 64 * g), right = _mm512_loadu_si512(values + 1024 + 64 * g);
      for (int r = 0; r < R; ++r) {
        int32_t four;
        std::memcpy(&four, x + r * stride + i + 4 * g, 4);
        const __m512i value = _mm512_set1_epi32(four ^ kShift);
        sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], value, left);
        sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], value, right);
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    float scale;
    std::memcpy(&scale, x + r * stride + w.depth, sizeof(scale));
    for (int half = 0; half < 2; ++half) {
      const int c = 32 * panel + 16 * half;
      const __m512i shifted = _mm512_slli_epi32(_mm512_loadu_si512(w.sums + c), 7);
      const __m512 scales = _mm512_mul_ps(_mm512_set1_ps(scale), _mm512_loadu_ps(w.scales + c));
      const __m512 whole = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum[r][half], shifted));
      _mm512_storeu_ps(y + r * y_stride + c, _mm512_mul_ps(whole, scales));
    }
  }
}

}  // namespace

void VnniInt8Product(const Int8Block& w, const uint8_t* x, int rows, float* y, ptrdiff_t y_stride) {
  constexpr int kRows = 12;
  const ptrdiff_t stride = w.depth + 64;
  for (int panel = 0; panel < w.panels; ++panel) {
    int r = 0;
    for (; r + kRows <= rows; r += kRows) Rows<kRows>(w, panel, x + r * stride, stride, y + r * y_stride, y_stride);
    for (; r + 4 <= rows; r += 4) Rows<4>(w, panel, x + r * stride, stride, y + r * y_stride, y_stride);
    for (; r < rows; ++r) Rows<1>(w, panel, x + r * stride, stride, y + r * y_stride, y_stride);
  }
}

#pragma GCC pop_options

}  // namespace orrery::kernels::cpu
