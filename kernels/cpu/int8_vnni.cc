// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/int8.h"

namespace orrery::kernels::cpu {

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512vnni")

namespace {

// sum += weights · value, four bytes to a lane, the weights without sign. As an instruction, not an intrinsic: GCC 12
// moves the sums of the latter through the stack.
inline void AddProducts(__m512i& sum, __m512i weights, __m512i value) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(value));
}

// The instruction takes one factor without sign: the weights are packed shifted up, and that many times the sum of the
// row's values is taken off at the end.
template <int R>
void Rows(const Int8Block& w, int panel, const uint8_t* x, float* y, ptrdiff_t y_stride) {
  const ptrdiff_t stride = w.depth + 64;
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
        std::memcpy(&four, x + r * stride + i + 4 * g, 4);
        const __m512i value = _mm512_set1_epi32(four);
        AddProducts(sum[r][0], left, value);
        AddProducts(sum[r][1], right, value);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    QuantisedTail tail;
    std::memcpy(&tail, x + r * stride + w.depth, sizeof(tail));
    const __m512i shifted = _mm512_set1_epi32(kVnniShift * tail.sum);
#pragma GCC unroll 16
    for (int half = 0; half < 2; ++half) {
      const int c = 32 * panel + 16 * half;
      const __m512 scales = _mm512_mul_ps(_mm512_set1_ps(tail.scale), _mm512_loadu_ps(w.scales + c));
      const __m512 whole = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum[r][half], shifted));
      _mm512_storeu_ps(y + r * y_stride + c, _mm512_mul_ps(whole, scales));
    }
  }
}

}  // namespace

void VnniInt8Product(const Int8Block& w, const uint8_t* x, int rows, float* y, ptrdiff_t y_stride) {
  constexpr int kRows = 12, kBytes = 1 << 17;  // rows that stay in the cache while all panels go by
  const ptrdiff_t stride = w.depth + 64;
  const int chunk = std::min(rows, std::max(1, kBytes / w.depth / kRows) * kRows);
  for (int first = 0; first < rows; first += chunk) {
    const int last = std::min(rows, first + chunk);
    for (int panel = 0; panel < w.panels; ++panel) {
      const auto product = [&]<int R>(std::integral_constant<int, R>, int r) {
        Rows<R>(w, panel, x + r * stride, y + r * y_stride, y_stride);
      };
      int r = first;
      for (; r + kRows <= last; r += kRows) product(std::integral_constant<int, kRows>(), r);
      for (; r + 4 <= last; r += 4) product(std::integral_constant<int, 4>(), r);
      for (; r < last; ++r) product(std::integral_constant<int, 1>(), r);
    }
  }
}

#pragma GCC pop_options

}  // namespace orrery::kernels::cpu
