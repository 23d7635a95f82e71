// SPDX-License-Identifier: Apache-2.0
#pragma once

// A training's memory as a runtime gives it (training_on.h).

#include <cstddef>
#include <new>

#include "kernels/training.h"

namespace orrery::kernels::cuda {

template <class Runtime>
class RuntimeMemory : public TrainingMemory {
 public:
  // `shared`: the host may read and write it; otherwise only the device.
  RuntimeMemory(Runtime& runtime, bool shared) : runtime_(runtime), shared_(shared) {}

  void* Allocate(size_t bytes) override {
    if (bytes == 0) return nullptr;
    void* data = shared_ ? runtime_.AllocateShared(bytes) : runtime_.Allocate(bytes);
    if (data == nullptr) throw std::bad_alloc();
    return data;
  }
  void Free(void* data, size_t) override {
    if (data == nullptr) return;
    shared_ ? runtime_.FreeShared(data) : runtime_.Free(data);
  }

 private:
  Runtime& runtime_;
  bool shared_;
};

// A small array that grows as it is needed; what was in it is lost then.
class GrowingArray {
 public:
  void* AtLeast(TrainingMemory& memory, size_t bytes) {
    if (bytes_ < bytes) {
      Free(memory);
      data_ = memory.Allocate(bytes);
      bytes_ = bytes;
    }
    return data_;
  }
  void Free(TrainingMemory& memory) {
    memory.Free(data_, bytes_);
    data_ = nullptr;
    bytes_ = 0;
  }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace orrery::kernels::cuda
