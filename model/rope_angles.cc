// SPDX-License-Identifier: Apache-2.0
#include "model/rope_angles.h"

#include <cmath>
#include <cstddef>

namespace orrery::model {

RopeAngles AnglesOf(const ModelShape& shape, int positions) {
  const int half = shape.attention.head_dim / 2;
  RopeAngles angles;
  angles.cosine.resize(size_t(positions) * half);
  angles.sine.resize(angles.cosine.size());
  for (int i = 0; i < half; ++i) {
    const float frequency = shape.RopeFrequency(i);
    for (int p = 0; p < positions; ++p) {
      const float angle = static_cast<float>(p) * frequency;
      angles.cosine[size_t(p) * half + i] = static_cast<float>(std::cos(double{angle}) * shape.rope.magnitude);
      angles.sine[size_t(p) * half + i] = static_cast<float>(std::sin(double{angle}) * shape.rope.magnitude);
    }
  }
  return angles;
}

}  // namespace orrery::model
