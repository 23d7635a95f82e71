// SPDX-License-Identifier: Apache-2.0
#pragma once

// Products by cuBLASLt in tiles of kProductRows rows (cuda_device.h says why).

#include <cuda_runtime.h>

#include <memory>

#include "base/status.h"
#include "kernels/cuda/products.h"

namespace orrery::kernels::cuda {

// Products on `device`, in the order of `stream`'s work.
StatusOr<std::unique_ptr<Products>> NewCublasProducts(int device, Type type, cudaStream_t stream);

}  // namespace orrery::kernels::cuda
