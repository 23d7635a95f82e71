// SPDX-License-Identifier: Apache-2.0
#pragma once

// A device whose kernels are those of kernels/cuda, run by the emulator; the reference answers its products.

#include <memory>

#include "kernels/cuda/emulator/emulator.h"
#include "kernels/device.h"

namespace orrery::kernels::cuda::emulator {

// A fault of a kernel stays in the device's status().
std::unique_ptr<Device> NewEmulatedDevice(Type type, const Schedule& schedule);

}  // namespace orrery::kernels::cuda::emulator
