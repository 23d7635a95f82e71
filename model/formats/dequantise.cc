// SPDX-License-Identifier: Apache-2.0

// ggml's block layouts, read back as float32. Little-endian throughout; d and m are float16 scale and minimum of a
// block. The order of operations is that of ggml (scale times number, then minus or plus the minimum, each rounded), so
// values are bit-equal.

#include <immintrin.h>

#include <cstring>

#include "model/formats/gguf.h"

namespace orrery::model {
namespace {

float Half(const uint8_t* at) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof(bits));
  return _cvtsh_ss(bits);
}

void F32(const uint8_t* from, uint64_t count, float* out) { std::memcpy(out, from, count * sizeof(float)); }

void F16(const uint8_t* from, uint64_t count, float* out) {
  uint64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 2 * i));
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(halves));
  }
  for (; i < count; ++i) out[i] = Half(from + 2 * i);
}

void BF16(const uint8_t* from, uint64_t count, float* out) {
  for (uint64_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, from + 2 * i, sizeof(bits));
    const uint32_t wide = static_cast<uint32_t>(bits) << 16;
    std::memcpy(out + i, &wide, sizeof(wide));
  }
}

// Blocks of 32 whose 4 low bits lie in 16 bytes: the low nibbles are elements 0–15, the high ones 16–31.

// {d, 16 bytes}: d (q - 8)
void Q4_0(const uint8_t* from, float* out) {
  const float d = Half(from);
  const uint8_t* q = from + 2;
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((q[i] & 15) - 8);
    out[i + 16] = d * static_cast<float>((q[i] >> 4) - 8);
  }
}

// {d, m, 16 bytes}: d q + m
void Q4_1(const uint8_t* from, float* out) {
  const float d = Half(from), m = Half(from + 2);
  const uint8_t* q = from + 4;
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(q[i] & 15) + m;
    out[i + 16] = d * static_cast<float>(q[i] >> 4) + m;
  }
}

// The fifth bits of 32 elements, bit i for element i.
uint32_t FifthBits(const uint8_t* at) {
  uint32_t bits;
  std::memcpy(&bits, at, sizeof(bits));
  return bits;
}

// {d, 32 fifth bits, 16 bytes}: d (q - 16)
void Q5_0(const uint8_t* from, float* out) {
  const float d = Half(from);
  const uint32_t fifth = FifthBits(from + 2);
  const uint8_t* q = from + 6;
  for (int i = 0; i < 16; ++i) {
    const int low = static_cast<int>((q[i] & 15) | (((fifth >> i) & 1) << 4));
    const int high = static_cast<int>((q[i] >> 4) | (((fifth >> (i + 16)) & 1) << 4));
    out[i] = d * static_cast<float>(low - 16);
    out[i + 16] = d * static_cast<float>(high - 16);
  }
}

// {d, m, 32 fifth bits, 16 bytes}: d q + m
void Q5_1(const uint8_t* from, float* out) {
  const float d = Half(from), m = Half(from + 2);
  const uint32_t fifth = FifthBits(from + 4);
  const uint8_t* q = from + 8;
  for (int i = 0; i < 16; ++i) {
    const int low = static_cast<int>((q[i] & 15) | (((fifth >> i) & 1) << 4));
    const int high = static_cast<int>((q[i] >> 4) | (((fifth >> (i + 16)) & 1) << 4));
    out[i] = d * static_cast<float>(low) + m;
    out[i + 16] = d * static_cast<float>(high) + m;
  }
}

// {d, 32 signed bytes}: d q
void Q8_0(const uint8_t* from, float* out) {
  const float d = Half(from);
  const auto* q = reinterpret_cast<const int8_t*>(from + 2);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(q[i]);
}

// Super-blocks of 256 in 8 groups of 32. Q4_K and Q5_K pack a 6-bit scale and a 6-bit minimum for each group into 12
// bytes: groups 0–3 in the low 6 bits of bytes 0–3 (scale) and 4–7 (minimum), groups 4–7 in the nibbles of bytes 8–11,
// with their two top bits in the top bits of the first eight bytes.
struct ScaleAndMinimum {
  float scale;
  float minimum;
};

ScaleAndMinimum Group(const uint8_t* packed, int group) {
  if (group < 4) return {static_cast<float>(packed[group] & 63), static_cast<float>(packed[group + 4] & 63)};
  const uint8_t nibbles = packed[group + 4];
  return {static_cast<float>((nibbles & 15) | (packed[group - 4] >> 6 << 4)),
          static_cast<float>((nibbles >> 4) | (packed[group] >> 6 << 4))};
}

// {d, dmin, 12 packed bytes, 128 bytes}: each 32 bytes hold one group in the low nibbles and the next in the high ones.
void Q4_K(const uint8_t* from, float* out) {
  const float d = Half(from), dmin = Half(from + 2);
  for (int pair = 0; pair < 4; ++pair) {
    const uint8_t* q = from + 16 + 32 * pair;
    const auto low = Group(from + 4, 2 * pair), high = Group(from + 4, 2 * pair + 1);
    const float d_low = d * low.scale, m_low = dmin * low.minimum;
    const float d_high = d * high.scale, m_high = dmin * high.minimum;
    float* to = out + 64 * pair;
    for (int i = 0; i < 32; ++i) to[i] = d_low * static_cast<float>(q[i] & 15) - m_low;
    for (int i = 0; i < 32; ++i) to[i + 32] = d_high * static_cast<float>(q[i] >> 4) - m_high;
  }
}

// {d, dmin, 12 packed bytes, 32 bytes of fifth bits (bit g of byte i: element i of group g), 128 bytes as in Q4_K}
void Q5_K(const uint8_t* from, float* out) {
  const float d = Half(from), dmin = Half(from + 2);
  const uint8_t* fifth = from + 16;
  for (int pair = 0; pair < 4; ++pair) {
    const uint8_t* q = from + 48 + 32 * pair;
    const auto low = Group(from + 4, 2 * pair), high = Group(from + 4, 2 * pair + 1);
    const float d_low = d * low.scale, m_low = dmin * low.minimum;
    const float d_high = d * high.scale, m_high = dmin * high.minimum;
    float* to = out + 64 * pair;
    for (int i = 0; i < 32; ++i) {
      to[i] = d_low * static_cast<float>((q[i] & 15) | (((fifth[i] >> (2 * pair)) & 1) << 4)) - m_low;
    }
    for (int i = 0; i < 32; ++i) {
      to[i + 32] = d_high * static_cast<float>((q[i] >> 4) | (((fifth[i] >> (2 * pair + 1)) & 1) << 4)) - m_high;
    }
  }
}

// {128 bytes of low nibbles, 64 bytes of bit pairs, 16 signed scales (one for 16 elements), d}: d scale (q - 32).
// Each half (128 elements) takes 64 nibble bytes and 32 bit-pair bytes: its four runs of 32 elements are the low
// nibbles of the first and second 32 bytes, then the high nibbles of the same; run r takes bits 2r and 2r+1 of the
// bit-pair bytes.
void Q6_K(const uint8_t* from, float* out) {
  const float d = Half(from + 208);
  const auto* scales = reinterpret_cast<const int8_t*>(from + 192);
  for (int run = 0; run < 8; ++run) {
    const int half = run / 4, place = run % 4;
    const uint8_t* nibbles = from + 64 * half + 32 * (place % 2);
    const uint8_t* pairs = from + 128 + 32 * half;
    const int shift = 4 * (place / 2);
    float* to = out + 32 * run;
    for (int part = 0; part < 2; ++part) {
      const float scale = d * static_cast<float>(scales[2 * run + part]);
      for (int i = 16 * part; i < 16 * part + 16; ++i) {
        const int q = ((nibbles[i] >> shift) & 15) | (((pairs[i] >> (2 * place)) & 3) << 4);
        to[i] = scale * static_cast<float>(q - 32);
      }
    }
  }
}

template <void (*Read)(const uint8_t*, float*)>
void Blocks(const uint8_t* from, uint64_t count, GgufBlock block, float* out) {
  for (uint64_t done = 0; done < count; done += block.elements) {
    Read(from, out + done);
    from += block.bytes;
  }
}

}  // namespace

void Dequantise(const GgufTensor& tensor, uint64_t first, uint64_t count, float* out) {
  const GgufBlock block = Block(tensor.type);
  const uint8_t* from = tensor.data.data() + first / block.elements * block.bytes;
  switch (tensor.type) {
    case GgufType::kF32: return F32(from, count, out);
    case GgufType::kF16: return F16(from, count, out);
    case GgufType::kBF16: return BF16(from, count, out);
    case GgufType::kQ4_0: return Blocks<Q4_0>(from, count, block, out);
    case GgufType::kQ4_1: return Blocks<Q4_1>(from, count, block, out);
    case GgufType::kQ5_0: return Blocks<Q5_0>(from, count, block, out);
    case GgufType::kQ5_1: return Blocks<Q5_1>(from, count, block, out);
    case GgufType::kQ8_0: return Blocks<Q8_0>(from, count, block, out);
    case GgufType::kQ4_K: return Blocks<Q4_K>(from, count, block, out);
    case GgufType::kQ5_K: return Blocks<Q5_K>(from, count, block, out);
    case GgufType::kQ6_K: return Blocks<Q6_K>(from, count, block, out);
  }
}

}  // namespace orrery::model
