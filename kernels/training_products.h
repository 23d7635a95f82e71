// SPDX-License-Identifier: Apache-2.0
#pragma once

// The matrix products of a training step apart from its other operations: on a CUDA device cuBLASLt answers them, on
// the emulator and for the definition of its bits the plain loops below.

#include <cstdint>
#include <memory>

#include "base/status.h"
#include "kernels/kernels.h"

namespace orrery::kernels {

// A matrix of the training's type, row-major, as it lies in memory.
struct Factor {
  const void* data = nullptr;
  int64_t stride = 0;       // elements from row to row; a multiple of 32
  bool transposed = false;  // its rows in memory are the factor's columns
};

class TrainingProducts {
 public:
  virtual ~TrainingProducts() = default;
  // c[i][j] = Σ a[i][l]·b[l][j] in float32 for i < m, j < n and all l < k, or added to what is there; rows of c lie n
  // apart. The same call gives the same bits.
  virtual void Multiply(const Factor& a, const Factor& b, int m, int n, int k, bool add, float* c) = 0;
  virtual Status status() const = 0;
};

namespace reference {

// On the host: sums in double precision in ascending order of l, rounded once.
std::unique_ptr<TrainingProducts> NewTrainingProducts(Type type);

}  // namespace reference
}  // namespace orrery::kernels
