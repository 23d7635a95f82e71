// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_device.h"

namespace orrery::kernels::cuda {
namespace {

Status NotBuilt() { return Unavailable("this build has no CUDA: build with --config=cuda"); }

}  // namespace

StatusOr<std::vector<DeviceTraits>> FindDevices() { return NotBuilt(); }
StatusOr<std::unique_ptr<Device>> NewCudaDevice(int, Type) { return NotBuilt(); }
StatusOr<std::unique_ptr<TrainingOps>> NewCudaTraining(int, Type) { return NotBuilt(); }

}  // namespace orrery::kernels::cuda
