// SPDX-License-Identifier: Apache-2.0
#pragma once

// A logarithm of the same bits on the host and on a CUDA device; see portable.h.

#include "kernels/portable.h"

namespace orrery::kernels {

// ln x of a positive, normal number, to 2 units in the last place; infinity for infinity, NaN for NaN.
ORRERY_DEVICE inline float Log(float x) {
  if (!(x < BitsToFloat(0x7f800000))) return x;
  // x = 2^n · m with 1/√2 ≤ m < √2, and ln m = 2 artanh((m − 1) / (m + 1)); ln 2 in two parts, as in Exp.
  constexpr uint32_t kRootOfHalf = 0x3f3504f3;
  const uint32_t bits = FloatToBits(x) - kRootOfHalf;
  const auto n = static_cast<float>(static_cast<int32_t>(bits) >> 23);
  const float m = BitsToFloat((bits & 0x7fffff) + kRootOfHalf);
  const float s = (m - 1) / (m + 1), z = s * s;
  float series = 2.0f / 9;
  series = Fma(series, z, 2.0f / 7);
  series = Fma(series, z, 2.0f / 5);
  series = Fma(series, z, 2.0f / 3);
  return Fma(n, 0.693145752f, Fma(n, 1.42860677e-6f, Fma(series * z, s, 2 * s)));
}

}  // namespace orrery::kernels
