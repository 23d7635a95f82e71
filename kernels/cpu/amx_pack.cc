// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "kernels/cpu/amx.h"

namespace orrery::kernels::cpu {

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl")

namespace {

constexpr int kTileElements = 512;  // 16 pairs of k by 16 columns

// The first `count` of sixteen lanes.
inline __mmask16 First(int count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffff : count <= 0 ? 0 : (1u << count) - 1);
}

// Sixteen floats rounded to bfloat16 as bfloat16.h does, each in the lower half of its lane.
inline __m512i Rounded(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i sum = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  return _mm512_srli_epi32(_mm512_mask_blend_epi32(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), sum, quiet), 16);
}

inline __m512i Load16(const float* x, __mmask16 inside) { return Rounded(_mm512_maskz_loadu_ps(inside, x)); }
inline __m512i Load16(const uint16_t* x, __mmask16 inside) {
  return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(inside, x));
}

// Thirty-two floats, of which `count` are there, as sixteen pairs of bfloat16.
inline __m512i Pairs(const float* x, int count) {
  const __m256i low = _mm512_cvtepi32_epi16(Load16(x, First(count)));
  const __m256i high = _mm512_cvtepi32_epi16(Load16(x + 16, First(count - 16)));
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

// Lane i of row j becomes lane j of row i.
inline void Transpose(__m512i (&x)[16]) {
  __m512i y[16];
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    y[i] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0x88);
    y[i + 4] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0xdd);
    y[i + 8] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0x88);
    y[i + 12] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    x[i] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0x88);
    x[i + 8] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0xdd);
    x[i + 4] = _mm512_shuffle_i32x4(y[i + 4], y[i + 12], 0x88);
    x[i + 12] = _mm512_shuffle_i32x4(y[i + 4], y[i + 12], 0xdd);
  }
}

// The tile of columns [left, left + 16) at depth `top`.
inline uint16_t* Tile(uint16_t* panels, int padded_k, int left, int top) {
  return panels + static_cast<size_t>(left / 32) * 32 * padded_k + static_cast<size_t>(top / 32) * 2 * kTileElements +
         left % 32 / 16 * kTileElements;
}

template <class T>
void PackColumns(const T* from, ptrdiff_t stride, int depth, int columns, int padded_k, uint16_t* panels) {
  for (int left = 0; left < columns; left += 16) {
    const __mmask16 inside = First(columns - left);
    for (int top = 0; top < padded_k; top += 32) {
      uint16_t* tile = Tile(panels, padded_k, left, top);
      for (int p = 0; p < 16; ++p) {
        const int i = top + 2 * p;
        const __m512i even = i < depth ? Load16(from + i * stride + left, inside) : _mm512_setzero_si512();
        const __m512i odd = i + 1 < depth ? Load16(from + (i + 1) * stride + left, inside) : _mm512_setzero_si512();
        _mm512_storeu_si512(tile + 32 * p, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
      }
    }
  }
}

}  // namespace

void AmxPack(const float* w, int k, int columns, int padded_k, uint16_t* panels) {
  for (int left = 0; left < columns; left += 16) {
    for (int top = 0; top < k; top += 32) {
      __m512i pairs[16];
      for (int c = 0; c < 16; ++c) {
        const bool there = left + c < columns;
        pairs[c] = there ? Pairs(w + static_cast<size_t>(left + c) * k + top, k - top) : _mm512_setzero_si512();
      }
      Transpose(pairs);
      uint16_t* tile = Tile(panels, padded_k, left, top);
      for (int p = 0; p < 16; ++p) _mm512_storeu_si512(tile + 32 * p, pairs[p]);
    }
  }
}

void AmxPackColumns(const float* from, ptrdiff_t stride, int depth, int columns, int padded_k, uint16_t* panels) {
  PackColumns(from, stride, depth, columns, padded_k, panels);
}

void AmxPackColumns(const uint16_t* from, ptrdiff_t stride, int depth, int columns, int padded_k, uint16_t* panels) {
  PackColumns(from, stride, depth, columns, padded_k, panels);
}

#pragma GCC pop_options

}  // namespace orrery::kernels::cpu
