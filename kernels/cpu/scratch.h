// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small pieces that the kernels' object files share by text, each with a copy of its own (internal linkage: see
// vector.inc).

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

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

// Such memory of the calling thread, for calls so many that allocating in each would show: it stays until a call asks
// for more. One array of a type at a time.
template <class T>
[[maybe_unused]] T* ThreadScratch(size_t count) {
  thread_local std::unique_ptr<ScratchArray<T>> scratch;
  thread_local size_t size = 0;
  if (size < count) {
    scratch = std::make_unique<ScratchArray<T>>(count);
    size = count;
  }
  return scratch->data();
}

[[maybe_unused]] inline void Put(float* out, float value) { *out = value; }
[[maybe_unused]] inline void Put(uint16_t* out, float value) { *out = orrery::kernels::ToBfloat16(value); }

}  // namespace
