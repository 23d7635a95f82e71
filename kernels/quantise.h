// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one rule of int8: a row is divided by its largest magnitude and rounded to [-127, 127]. Every back end keeps it
// to the bit, for weights and for activations.

#include <cmath>
#include <cstdint>

namespace orrery::kernels {

inline constexpr float kInt8Largest = 127;

// `largest` is a row's largest magnitude; a row of zeros has factor and scale 0.
constexpr float QuantisingFactor(float largest) { return largest > 0 ? kInt8Largest / largest : 0; }
constexpr float QuantisedScale(float largest) { return largest / kInt8Largest; }

inline int8_t Quantised(float value, float factor) { return static_cast<int8_t>(std::nearbyintf(value * factor)); }

// A sum of products back as a real number.
inline float Dequantised(int32_t sum, float row_scale, float column_scale) {
  return static_cast<float>(sum) * (row_scale * column_scale);
}

}  // namespace orrery::kernels
