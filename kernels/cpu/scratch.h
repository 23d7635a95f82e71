// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small pieces that the kernels' object files share by text, each with a copy of its own (internal linkage: see
// vector.inc).

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "kernels/bfloat16.h"

namespace {

// Uninitialised memory on a cache line's border, for the length of a call.
template <class T>
class ScratchArray {
 public:
  explicit ScratchArray(size_t count)
      : data_(static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64))) {
    if (data_ == nullptr) std::abort();
  }
  ~ScratchArray() { std::free(data_); }
  ScratchArray(const ScratchArray&) = delete;
  ScratchArray& operator=(const ScratchArray&) = delete;
  T& operator[](size_t i) { return data_[i]; }
  T* data() { return data_; }

 private:
  T* data_;
};

[[maybe_unused]] inline void Put(float* out, float value) { *out = value; }
[[maybe_unused]] inline void Put(uint16_t* out, float value) { *out = orrery::kernels::ToBfloat16(value); }

}  // namespace
