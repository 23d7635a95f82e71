// SPDX-License-Identifier: Apache-2.0
#pragma once

// The matrix products of a CUDA device, kept apart from its kernels: on a device cuBLASLt answers them, on the emulator
// the reference.

#include <cstddef>
#include <memory>

#include "base/status.h"
#include "kernels/kernels.h"

namespace orrery::kernels::cuda {

class Products {
 public:
  virtual ~Products() = default;

  // What is passed to Multiply has room for a multiple of this many rows.
  virtual int row_tile() const = 0;
  virtual std::unique_ptr<WeightMatrix> NewMatrix(int n, int k) = 0;
  virtual size_t MatrixBytes(int n, int k) const = 0;
  // y[r][c] = x·Wᵀ in float32 for r < rows; addresses of the device. Rows of x lie PaddedWidth(k) elements of the
  // device's type apart, rows of y blocks() · block_columns() floats; rows of y up to the tile's end are scratch.
  virtual void Multiply(const WeightMatrix& matrix, const void* x, int rows, float* y) = 0;
  virtual Status status() const = 0;
};

}  // namespace orrery::kernels::cuda
