// SPDX-License-Identifier: Apache-2.0
// Kernels written for the occasion: right ones give one result in every order, and each planted bug is found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/cuda/emulator/emulator.h"

namespace orrery::kernels::cuda::emulator {
namespace {

using ::testing::HasSubstr;

const std::vector<Schedule> kSchedules = {
    {Order::kForward, 0}, {Order::kReverse, 0}, {Order::kShuffled, 1}, {Order::kShuffled, 2}};

struct Values {
  SharedArray<float, kThreads> values;
};

// out[block · kThreads + t] = in of the thread to the left, by way of shared memory.
struct ShiftKernel {
  static constexpr const char* kName = "shift";
  using Shared = Values;
  View<const float> in;
  View<float> out;
  bool barrier = true;

  void operator()(Context& context, Shared& shared) const {
    const int t = context.thread();
    const size_t at = static_cast<size_t>(context.block().x) * kThreads + t;
    shared.values[t] = in[at];
    if (barrier) context.Sync();
    out[at] = shared.values[(t + kThreads - 1) % kThreads];
  }
};

std::vector<float> Counted(size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

std::vector<float> Shifted(const Schedule& schedule, bool barrier) {
  const std::vector<float> in = Counted(3 * kThreads);
  std::vector<float> out(in.size());
  const auto fault = Launch(ShiftKernel{{in.data(), in.size()}, {out.data(), out.size()}, barrier}, {3, 1}, schedule);
  EXPECT_FALSE(fault) << fault->Text();
  return out;
}

TEST(Emulator, ABarrierOrdersSharedMemory) {
  for (const Schedule& schedule : kSchedules) {
    const std::vector<float> out = Shifted(schedule, true);
    for (int b = 0; b < 3; ++b) {
      for (int t = 0; t < kThreads; ++t)
        ASSERT_EQ(out[b * kThreads + t], static_cast<float>(b * kThreads + (t + kThreads - 1) % kThreads + 1));
    }
  }
}

TEST(Emulator, AMissingBarrierShowsAsADifference) {
  const std::vector<float> forward = Shifted(kSchedules[0], false), reverse = Shifted(kSchedules[1], false);
  EXPECT_EQ(forward[5], 5.0f);          // the left one had written already: the bug hides in this order
  EXPECT_TRUE(std::isnan(reverse[5]));  // and in this one it had not
  EXPECT_TRUE(std::isnan(forward[0]));
}

// All threads write one place without order.
struct LastWriterKernel {
  static constexpr const char* kName = "last_writer";
  using Shared = NoShared;
  View<float> out;
  void operator()(Context& context, Shared&) const {
    out[0] = static_cast<float>(context.block().x * kThreads + context.thread());
  }
};

TEST(Emulator, ARaceShowsAsADifference) {
  std::vector<float> results;
  for (const Schedule& schedule : kSchedules) {
    float out = -1;
    EXPECT_FALSE(Launch(LastWriterKernel{{&out, 1}}, {2, 1}, schedule));
    results.push_back(out);
  }
  EXPECT_EQ(results[0], 2 * kThreads - 1);
  EXPECT_EQ(results[1], 0);
  EXPECT_NE(results[2], results[3]);
}

// Sums the block's values by adding to one place, atomically or not.
struct CountKernel {
  static constexpr const char* kName = "count";
  using Shared = NoShared;
  View<int32_t> out, old;
  void operator()(Context& context, Shared&) const {
    old[context.block().x * kThreads + context.thread()] = context.AtomicAdd(out[0], int32_t{1});
  }
};

TEST(Emulator, AtomicsLoseNothing) {
  for (const Schedule& schedule : kSchedules) {
    int32_t sum = 0;
    std::vector<int32_t> old(4 * kThreads);
    EXPECT_FALSE(Launch(CountKernel{{&sum, 1}, {old.data(), old.size()}}, {4, 1}, schedule));
    EXPECT_EQ(sum, 4 * kThreads);
    std::sort(old.begin(), old.end());
    for (int i = 0; i < 4 * kThreads; ++i) ASSERT_EQ(old[i], i);
  }
}

// Two shuffles in a row: the second may not disturb the first.
struct ShuffleKernel {
  static constexpr const char* kName = "shuffle";
  using Shared = NoShared;
  View<int32_t> sums;
  void operator()(Context& context, Shared&) const {
    int32_t value = context.thread();
    for (int distance = kWarp / 2; distance > 0; distance /= 2) value += context.ShuffleXor(value, distance);
    const int32_t first = context.Shuffle(context.thread(), 0);
    sums[context.thread()] = value * 1000 + first;
  }
};

TEST(Emulator, ShufflesStayInTheirWarp) {
  for (const Schedule& schedule : kSchedules) {
    std::vector<int32_t> sums(kThreads);
    EXPECT_FALSE(Launch(ShuffleKernel{{sums.data(), sums.size()}}, {1, 1}, schedule));
    for (int t = 0; t < kThreads; ++t) {
      const int first = t / kWarp * kWarp;
      ASSERT_EQ(sums[t], (first * kWarp + kWarp * (kWarp - 1) / 2) * 1000 + first);
    }
  }
}

// One thread too many: reads or writes just beyond the view's end.
struct BeyondKernel {
  static constexpr const char* kName = "beyond";
  struct Shared {
    SharedArray<float, 8> few;
  };
  View<float> out;
  bool shared_memory = false;
  void operator()(Context& context, Shared& shared) const {
    const int t = context.block().x * kThreads + context.thread();
    if (shared_memory) {
      if (context.block().x == 1 && context.thread() == 17) shared.few[-1] = 1;
    } else {
      out[t] = 1;
    }
  }
};

TEST(Emulator, AnAccessOutsideIsReportedWithItsThread) {
  std::vector<float> out(kThreads + 40, 0);
  const auto global = Launch(BeyondKernel{{out.data(), out.size() - 1}}, {2, 1}, kSchedules[0]);
  ASSERT_TRUE(global);
  EXPECT_EQ(global->Text(), "kernel beyond, block (1, 0), thread 39: index 295 of 295 in global memory");
  EXPECT_EQ(out.back(), 0);
  const auto shared = Launch(BeyondKernel{{out.data(), out.size()}, true}, {3, 1}, kSchedules[1]);
  ASSERT_TRUE(shared);
  EXPECT_EQ(shared->Text(), "kernel beyond, block (1, 0), thread 17: index -1 of 8 in shared memory");
}

// A barrier that some threads do not reach, or reach elsewhere.
struct DivergentKernel {
  static constexpr const char* kName = "divergent";
  using Shared = NoShared;
  enum Kind { kEnds, kTwoBarriers, kShuffle } kind;
  void operator()(Context& context, Shared&) const {
    const bool left = context.thread() < 100;
    if (kind == kEnds && left) return;
    if (kind == kShuffle && left) context.ShuffleXor(1, 1);
    if (kind == kTwoBarriers && left) {
      context.Sync();
    } else {
      context.Sync();
    }
  }
};

TEST(Emulator, ADivergentBarrierIsReported) {
  for (const Schedule& schedule : kSchedules) {
    const auto ends = Launch(DivergentKernel{DivergentKernel::kEnds}, {2, 2}, schedule);
    ASSERT_TRUE(ends);
    EXPECT_EQ(ends->thread, 100);
    EXPECT_THAT(ends->Text(), HasSubstr("kernel divergent, block ("));
    EXPECT_THAT(ends->Text(), HasSubstr("waits at the barrier"));
    EXPECT_THAT(ends->Text(), HasSubstr("but thread 0 has ended"));
    const auto two = Launch(DivergentKernel{DivergentKernel::kTwoBarriers}, {1, 1}, schedule);
    ASSERT_TRUE(two);
    EXPECT_THAT(two->Text(), HasSubstr("thread 0: waits at the barrier"));
    EXPECT_THAT(two->Text(), HasSubstr("but thread 100 waits at the barrier"));
    const auto shuffle = Launch(DivergentKernel{DivergentKernel::kShuffle}, {1, 1}, schedule);
    ASSERT_TRUE(shuffle);  // threads 96 to 99 wait for the rest of their warp
    EXPECT_THAT(shuffle->Text(), HasSubstr("waits in the shuffle"));
  }
}

TEST(Emulator, AShuffledOrderCanBeRepeated) {
  float one = 0, again = 0;
  EXPECT_FALSE(Launch(LastWriterKernel{{&one, 1}}, {3, 1}, {Order::kShuffled, 7}));
  EXPECT_FALSE(Launch(LastWriterKernel{{&again, 1}}, {3, 1}, {Order::kShuffled, 7}));
  EXPECT_EQ(one, again);
}

}  // namespace
}  // namespace orrery::kernels::cuda::emulator
