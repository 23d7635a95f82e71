// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include <cstring>

#include "kernels/cpu/amx.h"

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

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")

namespace {
#include "kernels/cpu/lanes_avx512.inc"
}  // namespace

void AmxWriteKv(const AttentionShape& shape, const float* k, const float* v, uint16_t* page, int slot) {
  const int dim = shape.head_dim;
  alignas(64) uint16_t row[16];
  for (int head = 0; head < shape.kv_heads; ++head, k += dim, v += dim) {
    for (int d = 0; d < dim; d += 16) {
      Store(row, Load(k + d));
      uint16_t* key = page + AmxKeyIndex(dim, head, d, slot);
      for (int i = 0; i < 16; i += 2, key += 32) std::memcpy(key, row + i, 4);
      Store(row, Load(v + d));
      uint16_t* value =
          page + static_cast<ptrdiff_t>(shape.kv_heads) * dim * kPageTokens + AmxValueIndex(dim, head, d, slot);
      for (int i = 0; i < 16; ++i) value[2 * i] = row[i];
    }
  }
}

#pragma GCC pop_options

}  // namespace orrery::kernels::cpu
