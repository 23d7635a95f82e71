// SPDX-License-Identifier: Apache-2.0
#pragma once

// Arithmetic that gives the same bits on the host and on a CUDA device: it uses only operations that IEEE 754 rounds
// correctly on both (+, −, ×, ÷, √, fused multiply-add) and is compiled without contraction on both.

#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define ORRERY_DEVICE __host__ __device__
#else
#define ORRERY_DEVICE
#endif

namespace orrery::kernels {

ORRERY_DEVICE inline float Fma(float a, float b, float c) { return ::fmaf(a, b, c); }

ORRERY_DEVICE inline float BitsToFloat(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

ORRERY_DEVICE inline uint32_t FloatToBits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

// e^x to 2 units in the last place; zero where it would be subnormal, infinity beyond the range, NaN for NaN.
ORRERY_DEVICE inline float Exp(float x) {
  if (x < -87.33654f) return 0;
  if (x > 88.72283f) return BitsToFloat(0x7f800000);
  if (x != x) return x;
  // x = n·ln 2 + r with |r| ≤ ln 2 / 2; ln 2 in two parts, so that r keeps its last bits.
  const float n = ::rintf(x * 1.44269504f);
  const float r = Fma(n, -1.42860677e-6f, Fma(n, -0.693145752f, x));
  float series = 1.0f / 5040;
  series = Fma(series, r, 1.0f / 720);
  series = Fma(series, r, 1.0f / 120);
  series = Fma(series, r, 1.0f / 24);
  series = Fma(series, r, 1.0f / 6);
  series = Fma(series, r, 0.5f);
  series = Fma(series, r, 1.0f);
  series = Fma(series, r, 1.0f);
  // 2^n in two factors: n may be 128, and the product still finite.
  const int whole = static_cast<int>(n), half = whole / 2;
  return series * BitsToFloat(static_cast<uint32_t>(half + 127) << 23) *
         BitsToFloat(static_cast<uint32_t>(whole - half + 127) << 23);
}

}  // namespace orrery::kernels
