// SPDX-License-Identifier: Apache-2.0
#include "kernels/thread_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>

namespace orrery::kernels {
namespace {

TEST(ThreadPool, EveryIndexOnceInEveryLoop) {
  for (const int threads : {1, 2, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int loop = 0; loop < 2000; ++loop) {
      std::vector<int> seen(loop % 40);
      pool.ParallelFor(static_cast<int>(seen.size()), [&](int i, int thread) {
        EXPECT_LT(thread, threads);
        ++seen[i];
      });
      for (const int count : seen) ASSERT_EQ(count, 1);
    }
  }
}

TEST(ThreadPool, WakesAfterSleeping) {
  ThreadPool pool(3);
  for (int loop = 0; loop < 20; ++loop) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int> sum = 0;
    pool.ParallelFor(100, [&](int i, int) { sum += i; });
    EXPECT_EQ(sum, 4950);
  }
}

}  // namespace
}  // namespace orrery::kernels
