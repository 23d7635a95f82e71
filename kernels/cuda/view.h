// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a kernel reads and writes through: views that know their size. nvcc compiles them to bare addresses; on the host
// (the emulator) every access is checked, and one outside is reported with kernel, block and thread.
//
// What this folder's headers define lies in a namespace of its own for each of the two compilers: a program may link
// both.

#include <cstddef>
#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/portable.h"

#ifdef __CUDACC__
#define ORRERY_KERNEL_SPACE compiled
#define ORRERY_KERNEL __device__
#define ORRERY_UNROLL _Pragma("unroll")
#else
#define ORRERY_KERNEL_SPACE emulated
#define ORRERY_KERNEL
#define ORRERY_UNROLL
namespace orrery::kernels::cuda::emulator {
[[noreturn]] void OutOfBounds(const char* what, size_t index, size_t size);
}
#endif

namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE {

inline constexpr int kWarp = 32;
inline constexpr int kThreads = 256;  // of every kernel's blocks
inline constexpr int kWarps = kThreads / kWarp;

struct Dim {
  int x = 1;
  int y = 1;
};

template <class T>
class View {
 public:
  View() = default;
  ORRERY_DEVICE View(T* data, size_t size) : data_(data), size_(size) {}

  ORRERY_DEVICE size_t size() const { return size_; }
  ORRERY_DEVICE T& operator[](size_t i) const {
#ifndef __CUDACC__
    if (i >= size_) emulator::OutOfBounds("global memory", i, size_);
#endif
    return data_[i];
  }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

// An array in a block's shared memory.
template <class T, int N>
struct SharedArray {
  ORRERY_DEVICE T& operator[](int i) {
#ifndef __CUDACC__
    if (i < 0 || i >= N) emulator::OutOfBounds("shared memory", static_cast<size_t>(i), N);
#endif
    return values[i];
  }
  T values[N];
};

// Elements of the back end's type as float32.
ORRERY_DEVICE inline float Load(float value) { return value; }
ORRERY_DEVICE inline float Load(uint16_t value) { return FromBfloat16(value); }
ORRERY_DEVICE inline void Store(float& to, float value) { to = value; }
ORRERY_DEVICE inline void Store(uint16_t& to, float value) { to = ToBfloat16(value); }

// A kernel is a value with views, a name and a type Shared; operator()(context, shared) is what each thread does. The
// context offers thread(), block(), Sync(), Shuffle(value, lane), ShuffleXor(value, mask) and AtomicAdd(target, value);
// all lanes of a warp take part in a shuffle.
struct NoShared {};

}  // namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE
