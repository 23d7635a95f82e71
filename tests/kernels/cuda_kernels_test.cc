// SPDX-License-Identifier: Apache-2.0
// Every operation of the CUDA device on the emulator: the bits of the reference that sums in the same order, whatever
// the order of threads, and near the processor's back end.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/cuda/emulator/emulated_device.h"
#include "kernels/device.h"
#include "kernels/portable.h"
#include "kernels/reference/reference.h"
#include "kernels/thread_pool.h"
#include "tests/kernels/device_cases.h"

namespace orrery::kernels {
namespace {

using cuda::emulator::NewEmulatedDevice;
using cuda::emulator::Order;
using cuda::emulator::Schedule;

class CudaKernelsTest : public ::testing::TestWithParam<Type> {
 protected:
  ThreadPool pool_{1};
};

// The first place where two results differ in a bit; −1 if there is none.
ptrdiff_t FirstDifference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0) return static_cast<ptrdiff_t>(i);
  }
  return -1;
}

TEST_P(CudaKernelsTest, HasTheBitsOfTheOrderedReferenceInEveryOrderOfThreads) {
  const auto backend = reference::NewOrderedBackend(GetParam());
  const auto expected = NewHostDevice(*backend, pool_);
  for (const DeviceCase& one : DeviceCases()) {
    const Computed want = one.run(*expected);
    ASSERT_FALSE(want.values.empty()) << one.name;
    for (const Schedule& schedule : {Schedule{Order::kForward, 0}, Schedule{Order::kReverse, 0},
                                     Schedule{Order::kShuffled, 1}, Schedule{Order::kShuffled, 2}}) {
      const auto device = NewEmulatedDevice(GetParam(), schedule);
      const Computed got = one.run(*device);
      ASSERT_TRUE(got.status.ok()) << one.name << ": " << Message(got.status);
      ASSERT_EQ(got.values.size(), want.values.size()) << one.name;
      const ptrdiff_t at = FirstDifference(got.values, want.values);
      ASSERT_EQ(at, -1) << one.name << ", order " << static_cast<int>(schedule.order) << ": " << got.values[at]
                        << " for " << want.values[at];
    }
  }
}

TEST_P(CudaKernelsTest, IsNearTheProcessorsBackEnd) {
  const auto backend = Backend::Create(HostIsa(), GetParam());
  const auto cpu = NewHostDevice(*backend, pool_);
  const auto device = NewEmulatedDevice(GetParam(), {});
  // Tiles of bfloat16 round the attention's queries and weights too.
  const float near = GetParam() == Type::kFloat32 ? 1e-5f : 3e-2f;
  for (const DeviceCase& one : DeviceCases()) {
    // Each back end lays its pages out in its own way.
    if (one.name.starts_with("attention and pages") || one.name.starts_with("pages")) continue;
    const Computed want = one.run(*cpu), got = one.run(*device);
    ASSERT_EQ(got.values.size(), want.values.size()) << one.name;
    for (size_t i = 0; i < want.values.size(); ++i)
      ASSERT_NEAR(got.values[i], want.values[i], near * (1 + std::abs(want.values[i]))) << one.name << " at " << i;
  }
}

TEST_P(CudaKernelsTest, IsNearTheReferenceInDoublePrecision) {
  const auto backend = Backend::Create(Isa::kReference, GetParam());
  const auto reference = NewHostDevice(*backend, pool_);
  const auto device = NewEmulatedDevice(GetParam(), {});
  const float near = GetParam() == Type::kFloat32 ? 5e-6f : 1e-2f;
  for (const DeviceCase& one : DeviceCases()) {
    const Computed want = one.run(*reference), got = one.run(*device);
    ASSERT_EQ(got.values.size(), want.values.size()) << one.name;
    for (size_t i = 0; i < want.values.size(); ++i)
      ASSERT_NEAR(got.values[i], want.values[i], near * (1 + std::abs(want.values[i]))) << one.name << " at " << i;
  }
}

TEST_P(CudaKernelsTest, AnAttentionItCannotServeStaysInItsStatus) {
  const auto device = NewEmulatedDevice(GetParam(), {});
  const auto buffer = device->NewBuffer(Type::kFloat32, 64);
  device->Attend({1, 1, 256}, 0, *buffer, 0, {buffer.get(), 0, 0}, *buffer);
  EXPECT_EQ(device->status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(CudaKernelsTest, AFaultOfAKernelStaysInItsStatus) {
  const auto device = NewEmulatedDevice(GetParam(), {});
  const auto small = device->NewBuffer(Type::kFloat32, 40), gain = device->NewBuffer(Type::kFloat32, 32);
  const auto out = device->NewBuffer(GetParam(), 64);
  device->RmsNorm(*small, *gain, 32, 1e-5f, 2, nullptr, *out);  // two rows do not fit into 40 values
  EXPECT_EQ(Message(device->status()), "kernel rms_norm, block (1, 0), thread 8: index 40 of 40 in global memory");
}

INSTANTIATE_TEST_SUITE_P(Types, CudaKernelsTest, ::testing::Values(Type::kFloat32, Type::kBfloat16),
                         [](const auto& info) { return info.param == Type::kFloat32 ? "float32" : "bfloat16"; });

TEST(Portable, ExpIsNearTheLibrarys) {
  double worst = 0;
  for (float x = -87.3f; x < 88.7f; x += 0.00137f)
    worst = std::max(worst, std::abs(double{Exp(x)} / std::exp(double{x}) - 1));
  EXPECT_LT(worst, 2 * 1.2e-7);
  EXPECT_EQ(Exp(0), 1);
  EXPECT_EQ(Exp(-1e30f), 0);
  EXPECT_EQ(Exp(-HUGE_VALF), 0);
  EXPECT_EQ(Exp(HUGE_VALF), HUGE_VALF);
  EXPECT_TRUE(std::isnan(Exp(NAN)));
}

}  // namespace
}  // namespace orrery::kernels
