// SPDX-License-Identifier: Apache-2.0
#include "kernels/thread_pool.h"

#include <immintrin.h>

#include <algorithm>

namespace orrery::kernels {
namespace {

// About 20 µs: longer than the serial stretches inside a batch, much shorter than the time between batches.
constexpr int kSpins = 600;

constexpr uint64_t kEnded = uint64_t{1} << 31, kWorkers = kEnded - 1;

}  // namespace

ThreadPool::ThreadPool(int threads) : stretches_(static_cast<size_t>(std::max(threads, 1))) {
  for (int i = 1; i < std::max(threads, 1); ++i) workers_.emplace_back([this, i] { Worker(i); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::Run(int count, Body body, void* context) {
  // No worker is in a loop now, and none enters before the new state is there.
  body_ = body;
  context_ = context;
  const auto share = [&](size_t thread) { return static_cast<uint64_t>(count) * thread / stretches_.size(); };
  for (size_t i = 0; i < stretches_.size(); ++i)
    stretches_[i].left.store(share(i) << 32 | share(i + 1), std::memory_order_relaxed);
  const uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
  state_.store(uint64_t{generation} << 32, std::memory_order_release);
  generation_.store(generation, std::memory_order_release);
  generation_.notify_all();
  Work(0);
  uint64_t state = state_.fetch_or(kEnded, std::memory_order_acq_rel) | kEnded;
  for (int spins = 0; (state & kWorkers) != 0; ++spins) {
    if (spins < kSpins) {
      _mm_pause();
    } else {
      state_.wait(state, std::memory_order_acquire);
    }
    state = state_.load(std::memory_order_acquire);
  }
}

int ThreadPool::Take(Stretch& stretch, bool front) {
  uint64_t left = stretch.left.load(std::memory_order_relaxed);
  while (true) {
    const uint64_t begin = left >> 32, end = left & 0xffffffff;
    if (begin == end) return -1;
    const uint64_t rest = front ? (begin + 1) << 32 | end : begin << 32 | (end - 1);
    if (stretch.left.compare_exchange_weak(left, rest, std::memory_order_relaxed))
      return static_cast<int>(front ? begin : end - 1);
  }
}

void ThreadPool::Work(int thread) {
  const int all = threads();
  for (int i = 0; i < all; ++i) {
    Stretch& stretch = stretches_[static_cast<size_t>((thread + i) % all)];
    for (int index; (index = Take(stretch, i == 0)) >= 0;) body_(context_, index, thread);
  }
}

void ThreadPool::Worker(int thread) {
  for (uint32_t seen = 0;;) {
    uint32_t newest;
    for (int spins = 0; (newest = generation_.load(std::memory_order_acquire)) == seen; ++spins) {
      if (spins < kSpins) {
        _mm_pause();
      } else {
        generation_.wait(seen, std::memory_order_acquire);
      }
    }
    seen = newest;
    if (stop_.load(std::memory_order_relaxed)) return;
    uint64_t state = state_.load(std::memory_order_acquire);
    bool inside = false;
    while (!inside && (state >> 32) == seen && (state & kEnded) == 0) {
      inside = state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel);
    }
    if (!inside) continue;
    Work(thread);
    if ((state_.fetch_sub(1, std::memory_order_acq_rel) & ~(uint64_t{0xffffffff} << 32)) == (kEnded | 1))
      state_.notify_one();
  }
}

}  // namespace orrery::kernels
