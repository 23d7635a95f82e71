// SPDX-License-Identifier: Apache-2.0
#pragma once

// A training whose kernels are those of kernels/cuda, run by the emulator as late as a device may run them; the
// reference answers its products.

#include <memory>

#include "kernels/cuda/emulator/emulator.h"
#include "kernels/training.h"

namespace orrery::kernels::cuda::emulator {

// A fault of a kernel stays in its status().
std::unique_ptr<TrainingOps> NewEmulatedTraining(Type type, const Schedule& schedule);

}  // namespace orrery::kernels::cuda::emulator
