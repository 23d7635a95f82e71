// SPDX-License-Identifier: Apache-2.0
#pragma once

// A transformer of random weights, for tests and benchmarks that need a shape and no file.

#include "kernels/device.h"
#include "model/weights.h"

namespace orrery::model {

// Products keep the size of their input: projections are normal with deviation 1/√k, gains near one.
Weights RandomWeights(const ModelShape& shape, kernels::Device& device, uint32_t seed);

}  // namespace orrery::model
