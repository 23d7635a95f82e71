// SPDX-License-Identifier: Apache-2.0
#pragma once

// bfloat16 as bits: the upper half of a float32, rounded to nearest even.

#include <cstdint>

#include "kernels/portable.h"

namespace orrery::kernels {

ORRERY_DEVICE inline uint16_t ToBfloat16(float value) {
  const uint32_t bits = FloatToBits(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>((bits >> 16) | 0x40);  // a NaN stays one
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

ORRERY_DEVICE inline float FromBfloat16(uint16_t bits) { return BitsToFloat(uint32_t{bits} << 16); }

}  // namespace orrery::kernels
