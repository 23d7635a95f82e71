// SPDX-License-Identifier: Apache-2.0
#pragma once

// The processor's back end: oneDNN's matrix products where they are batch-invariant, our own elsewhere (docs:
// kernels/README.md).

#include <memory>

#include "kernels/kernels.h"

namespace orrery::kernels::cpu {

std::unique_ptr<Backend> NewBackend(Isa isa, Type type, WeightType weights);

// oneDNN: float32 on AVX-512, bfloat16 on AVX-512 with BF16.
std::unique_ptr<Matrix> NewDnnlMatrix(int n, int k, Type type);
size_t DnnlMatrixBytes(int n, int k, Type type);

// Memory for weights, on huge pages where the system has them; zeros.
class WeightMemory {
 public:
  explicit WeightMemory(size_t bytes);
  ~WeightMemory();
  WeightMemory(const WeightMemory&) = delete;
  WeightMemory& operator=(const WeightMemory&) = delete;
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_;
  size_t bytes_;
};

}  // namespace orrery::kernels::cpu
