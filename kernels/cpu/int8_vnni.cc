// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/int8.h"
#include "kernels/cpu/scratch.h"

namespace orrery::kernels::cpu {

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512vnni")

namespace {

// sum += value · weights, four bytes to a lane. As an instruction, not an intrinsic: GCC 12 moves the sums of the
// latter through the stack.
inline void AddProducts(__m512i& sum, __m512i value, __m512i weights) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(value), "v"(weights));
}

// The instruction takes one factor without sign: activations are shifted up by 128 (`x`: rows of w.depth bytes), and
// 128 times the column's sum is taken off at the end.
template <int R>
void Rows(const Int8Block& w, int panel, const uint8_t* x, const float* scale, float* y, ptrdiff_t y_stride) {
  __m512i sum[R][2];
#pragma GCC unroll 16
  for (auto& row : sum) row[0] = row[1] = _mm512_setzero_si512();
  const int8_t* values = w.values + ptrdiff_t{panel} * 32 * w.depth;
  for (int i = 0; i < w.depth; i += 64, values += 2048) {
    for (int g = 0; g < 16; ++g) {
      const __m512i left = _mm512_loadu_si512(values + 64 * g), right = _mm512_loadu_si512(values + 1024 + 64 * g);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        int32_t four;
        std::memcpy(&four, x + ptrdiff_t{r} * w.depth + i + 4 * g, 4);
        const __m512i value = _mm512_set1_epi32(four);
        AddProducts(sum[r][0], value, left);
        AddProducts(sum[r][1], value, right);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int half = 0; half < 2; ++half) {
      const int c = 32 * panel + 16 * half;
      const __m512i shifted = _mm512_slli_epi32(_mm512_loadu_si512(w.sums + c), 7);
      const __m512 scales = _mm512_mul_ps(_mm512_set1_ps(scale[r]), _mm512_loadu_ps(w.scales + c));
      const __m512 whole = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum[r][half], shifted));
      _mm512_storeu_ps(y + r * y_stride + c, _mm512_mul_ps(whole, scales));
    }
  }
}

// Rows as Backend::Quantise writes them, parted into shifted values and scales.
void Shift(const uint8_t* x, int rows, int depth, uint8_t* values, float* scales) {
  for (int r = 0; r < rows; ++r, x += depth + 64, values += depth) {
    for (int i = 0; i < depth; i += 64)
      _mm512_storeu_si512(values + i, _mm512_xor_si512(_mm512_loadu_si512(x + i), _mm512_set1_epi8(-128)));
    std::memcpy(scales + r, x + depth, sizeof(float));
  }
}

}  // namespace

void VnniInt8Product(const Int8Block& w, const uint8_t* x, int rows, float* y, ptrdiff_t y_stride) {
  constexpr int kRows = 12, kBytes = 1 << 17;
  const int chunk = std::min(rows, std::max(1, kBytes / w.depth / kRows) * kRows);
  uint8_t* values = ThreadScratch<uint8_t>(static_cast<size_t>(chunk) * w.depth);
  float* scales = ThreadScratch<float>(static_cast<size_t>(chunk));
  const auto product = [&]<int R>(std::integral_constant<int, R>, int panel, int r, float* out) {
    Rows<R>(w, panel, values + ptrdiff_t{r} * w.depth, scales + r, out + r * y_stride, y_stride);
  };
  for (int first = 0; first < rows; first += chunk) {
    const int count = std::min(chunk, rows - first);
    Shift(x + ptrdiff_t{first} * (w.depth + 64), count, w.depth, values, scales);
    float* out = y + first * y_stride;
    for (int panel = 0; panel < w.panels; ++panel) {
      int r = 0;
      for (; r + kRows <= count; r += kRows) product(std::integral_constant<int, kRows>(), panel, r, out);
      for (; r + 4 <= count; r += 4) product(std::integral_constant<int, 4>(), panel, r, out);
      for (; r < count; ++r) product(std::integral_constant<int, 1>(), panel, r, out);
    }
  }
}

#pragma GCC pop_options

}  // namespace orrery::kernels::cpu
