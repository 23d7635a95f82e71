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

ThreadPool::ThreadPool(int threads) {
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
  count_ = count;
  next_.store(0, std::memory_order_relaxed);
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

void ThreadPool::Work(int thread) {
  for (int i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_;) body_(context_, i, thread);
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
