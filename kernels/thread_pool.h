// SPDX-License-Identifier: Apache-2.0
#pragma once

// A few threads that run the same loop together and meet at its end.
//
// Each thread walks through a stretch of neighbouring indices of its own, then helps the others from the far ends of
// theirs: results may not depend on who runs which. Between loops the threads spin for a short while, then sleep.

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace orrery::kernels {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // the caller's own thread is one of them
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls fn(index, thread) for 0 ≤ index < count, thread < threads(); returns when all are done. fn may not throw.
  template <class Fn>
  void ParallelFor(int count, Fn&& fn) {
    if (count <= 0) return;
    if (workers_.empty() || count == 1) {
      for (int i = 0; i < count; ++i) fn(i, 0);
      return;
    }
    Run(
        count,
        [](void* context, int index, int thread) {
          (*static_cast<std::remove_reference_t<Fn>*>(context))(index, thread);
        },
        &fn);
  }

 private:
  using Body = void (*)(void* context, int index, int thread);

  // What is left of a thread's stretch: its begin (upper half) and end.
  struct alignas(64) Stretch {
    std::atomic<uint64_t> left{0};
  };

  void Run(int count, Body body, void* context);
  void Work(int thread);
  // The next index of a stretch, from its front or its back; -1 if none is left.
  static int Take(Stretch& stretch, bool front);
  void Worker(int thread);

  std::vector<std::thread> workers_;
  Body body_ = nullptr;
  void* context_ = nullptr;
  std::vector<Stretch> stretches_;
  alignas(64) std::atomic<uint32_t> generation_{0};  // number of the newest loop
  // The loop's number (upper half), whether it has ended (bit 31), how many workers are in it (the rest). A worker that
  // comes late, because the system ran something else, is not waited for.
  alignas(64) std::atomic<uint64_t> state_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace orrery::kernels
