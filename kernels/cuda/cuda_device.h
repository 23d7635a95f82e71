// SPDX-License-Identifier: Apache-2.0
#pragma once

// CUDA devices: kernels/cuda's kernels and cuBLASLt's products behind kernels/device.h and kernels/training.h.
//
// Products run in tiles of kProductRows rows: the algorithm is chosen once for each matrix's (n, k) and this number of
// rows, without a split of k, and a product of more rows is the same call again on the next tile. A call's arguments
// other than addresses never change, so nothing can depend on how many rows a batch has; within a tile an element is a
// sum over k in an order that the algorithm fixes for all of them (//tests:gpu tries a row at every place). Fewer rows
// than a tile cost a whole one, which is nothing while reading the weights takes longer than multiplying by them: up to
// about 150 rows on an A100 and 300 on an H100.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "kernels/device.h"
#include "kernels/training.h"

namespace orrery::kernels::cuda {

inline constexpr int kProductRows = 128;

struct DeviceTraits {
  std::string name;
  uint64_t memory_bytes = 0;
  double bytes_per_second = 0;  // of memory, as its clock and width promise; 0 if the driver does not tell
};

// Unavailable if this build has no CUDA (--config=cuda), there is no driver, or no device; the message tells which.
StatusOr<std::vector<DeviceTraits>> FindDevices();

// `number` counts from zero. Unavailable as above, or if the device is older than compute capability 8.0.
StatusOr<std::unique_ptr<Device>> NewCudaDevice(int number, Type type);

// A training on the device `number`, in memory that it shares with the host; errors as above. The same steps give the
// same bits again on a device of the same kind.
StatusOr<std::unique_ptr<TrainingOps>> NewCudaTraining(int number, Type type);

}  // namespace orrery::kernels::cuda
