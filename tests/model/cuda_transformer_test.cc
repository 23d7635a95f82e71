// SPDX-License-Identifier: Apache-2.0
// A small random transformer's whole forward pass on the CUDA device, run by the emulator: the bits of the same
// transformer on the reference that sums in the same order, in whatever batches its rows come.
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/cuda/emulator/emulated_device.h"
#include "kernels/reference/reference.h"
#include "kernels/thread_pool.h"
#include "tests/model/small_transformer.h"

namespace orrery::model {
namespace {

using kernels::Type;
using kernels::cuda::emulator::NewEmulatedDevice;
using kernels::cuda::emulator::Order;
using kernels::cuda::emulator::Schedule;

void ExpectSameBits(const Logits& got, const Logits& want, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (const auto& [name, values] : want) {
    const std::vector<float>& other = got.at(name);
    ASSERT_EQ(std::memcmp(other.data(), values.data(), values.size() * sizeof(float)), 0)
        << what << ": sequence " << name.first << ", position " << name.second << ": " << other[0] << " for "
        << values[0];
  }
}

class CudaTransformerTest : public ::testing::TestWithParam<Type> {
 protected:
  kernels::ThreadPool pool_{1};
};

TEST_P(CudaTransformerTest, ForwardHasTheReferencesBitsInEveryCompositionAndOrder) {
  const auto backend = kernels::reference::NewOrderedBackend(GetParam());
  const auto reference = NewHostDevice(*backend, pool_);
  const Logits want = RunAll(*reference, Compositions()[0]);
  EXPECT_EQ(want.size(), 40u + 23u + 2u);
  for (size_t i = 0; i < Compositions().size(); ++i) {
    const std::string name = "composition " + std::to_string(i);
    ExpectSameBits(RunAll(*reference, Compositions()[i]), want, name + " on the reference");
    for (const Schedule& schedule :
         {Schedule{Order::kForward, 0}, Schedule{Order::kReverse, 0}, Schedule{Order::kShuffled, 5}}) {
      const auto device = NewEmulatedDevice(GetParam(), schedule);
      ExpectSameBits(RunAll(*device, Compositions()[i]), want,
                     name + ", order " + std::to_string(static_cast<int>(schedule.order)));
    }
  }
}

TEST_P(CudaTransformerTest, ForwardIsNearTheProcessorsBackEnd) {
  const auto backend = kernels::Backend::Create(kernels::HostIsa(), GetParam());
  const auto cpu = NewHostDevice(*backend, pool_);
  const auto device = NewEmulatedDevice(GetParam(), {});
  const Logits want = RunAll(*cpu, Compositions()[1]), got = RunAll(*device, Compositions()[1]);
  const float near = GetParam() == Type::kFloat32 ? 2e-5f : 1e-1f;
  for (const auto& [name, values] : want) {
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_NEAR(got.at(name)[i], values[i], near) << name.first << " " << name.second;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CudaTransformerTest, ::testing::Values(Type::kFloat32, Type::kBfloat16),
                         [](const auto& info) { return info.param == Type::kFloat32 ? "float32" : "bfloat16"; });

}  // namespace
}  // namespace orrery::model
