// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs a CUDA kernel on the host: the threads of a block are fibers that meet at barriers and in shuffles.
//
// Threads of a block, and blocks of a grid, run one at a time in a chosen order. A kernel whose threads race gives
// different results in different orders, or reads shared memory that nobody has written: that is filled with NaNs
// before each block. Accesses outside a view, barriers and shuffles that not all threads reach at the same line of the
// source are reported with kernel, block and thread.
//
// What it cannot show: races that need two threads inside one statement, the memory model's weak order, and speed.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <type_traits>

#include "kernels/cuda/view.h"

namespace orrery::kernels::cuda::emulator {

enum class Order : uint8_t { kForward, kReverse, kShuffled };

struct Schedule {
  Order order = Order::kForward;
  uint64_t seed = 0;  // of kShuffled
};

struct Fault {
  std::string kernel;
  Dim block;
  int thread = 0;
  std::string what;
  std::string Text() const;
};

class Block;

// One thread, as the kernel sees it.
class Context {
 public:
  Context(Block& owner, int thread) : owner_(owner), thread_(thread) {}

  int thread() const { return thread_; }
  Dim block() const;

  void Sync(std::source_location where = std::source_location::current()) { Wait(Place::kBarrier, where); }

  // The value that `lane` of this warp brings.
  template <class T>
  T Shuffle(T value, int lane, std::source_location where = std::source_location::current()) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(uint64_t));
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    bits = Exchange(bits, lane, where);
    std::memcpy(&value, &bits, sizeof(T));
    return value;
  }
  template <class T>
  T ShuffleXor(T value, int mask, std::source_location where = std::source_location::current()) {
    return Shuffle(value, thread_ % kWarp ^ mask, where);
  }

  // Returns what was there. Another thread may run before it, as on a device.
  template <class T>
  T AtomicAdd(T& target, T value) {
    Yield();
    const T old = target;
    target += value;
    return old;
  }

 private:
  friend class Block;
  enum class Place : uint8_t { kRunning, kYielded, kBarrier, kShuffle, kEnded };

  void Wait(Place place, const std::source_location& where);
  void Yield();
  uint64_t Exchange(uint64_t bits, int lane, const std::source_location& where);

  Block& owner_;
  int thread_;
  Place place_ = Place::kRunning;
  uint32_t line_ = 0;       // where it waits
  uint32_t shuffles_ = 0;   // so far: values lie in one of two slots in turn
  uint64_t slots_[2] = {};  // what it brings to a shuffle
};

// What is known of a kernel without its type.
struct Grid {
  const char* kernel;
  Dim blocks;
  int threads;
  size_t shared_bytes;
};
std::optional<Fault> Run(const Grid& grid, const Schedule& schedule,
                         const std::function<void(Context&, void* shared)>& body);

// Runs all blocks; stops at the first fault.
template <class Kernel>
std::optional<Fault> Launch(const Kernel& kernel, Dim blocks, const Schedule& schedule) {
  using Shared = typename Kernel::Shared;
  static_assert(std::is_trivially_destructible_v<Shared> && std::is_trivially_copyable_v<Shared>);
  return Run({Kernel::kName, blocks, kThreads, sizeof(Shared)}, schedule,
             [&kernel](Context& context, void* shared) { kernel(context, *static_cast<Shared*>(shared)); });
}

}  // namespace orrery::kernels::cuda::emulator
