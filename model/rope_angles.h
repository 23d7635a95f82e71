// SPDX-License-Identifier: Apache-2.0
#pragma once

// The angles that queries and keys are turned by, as the models were trained with: float32 products of position and
// frequency.

#include <vector>

#include "model/source/shape.h"

namespace orrery::model {

struct RopeAngles {
  std::vector<float> cosine, sine;  // [positions][head_dim / 2], times the shape's magnitude
};

RopeAngles AnglesOf(const ModelShape& shape, int positions);

}  // namespace orrery::model
