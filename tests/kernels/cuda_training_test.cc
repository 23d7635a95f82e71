// SPDX-License-Identifier: Apache-2.0
// Every operation of a CUDA training on the emulator: the bits of the reference that sums in the same order, whatever
// the order of threads, and near the processor's back end.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/cuda/emulator/emulated_training.h"
#include "kernels/logarithm.h"
#include "kernels/reference/ordered_training.h"
#include "tests/kernels/training_cases.h"

namespace orrery::kernels {
namespace {

using cuda::emulator::NewEmulatedTraining;
using cuda::emulator::Order;
using cuda::emulator::Schedule;

class CudaTrainingTest : public ::testing::TestWithParam<Type> {
 protected:
  static void ExpectNear(const TrainingOps& other, float near) {
    const auto got = RunTrainingCases(*NewEmulatedTraining(GetParam(), {})), want = RunTrainingCases(other);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(got[i].values.size(), want[i].values.size()) << want[i].name;
      for (size_t j = 0; j < want[i].values.size(); ++j) {
        const float value = want[i].values[j];
        ASSERT_NEAR(got[i].values[j], value, near * (1 + std::abs(value))) << want[i].name << " at " << j;
      }
    }
  }
};

TEST_P(CudaTrainingTest, HasTheBitsOfTheOrderedReferenceInEveryOrderOfThreads) {
  const auto want = RunTrainingCases(*reference::NewOrderedTraining(GetParam()));
  for (const Schedule& schedule : {Schedule{Order::kForward, 0}, Schedule{Order::kReverse, 0},
                                   Schedule{Order::kShuffled, 1}, Schedule{Order::kShuffled, 2}}) {
    const auto ops = NewEmulatedTraining(GetParam(), schedule);
    const auto got = RunTrainingCases(*ops);
    ASSERT_TRUE(ops->status().ok()) << Message(ops->status());
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      const Floats &a = got[i].values, &b = want[i].values;
      ASSERT_EQ(a.size(), b.size()) << want[i].name;
      for (size_t j = 0; j < b.size(); ++j) {
        ASSERT_EQ(std::memcmp(&a[j], &b[j], sizeof(float)), 0)
            << want[i].name << " at " << j << ", order " << static_cast<int>(schedule.order) << ": " << a[j] << " for "
            << b[j];
      }
    }
  }
}

TEST_P(CudaTrainingTest, IsNearTheProcessorsBackEnd) {
  const auto backend = Backend::Create(HostIsa(), GetParam());
  ThreadPool pool(1);
  ExpectNear(*TrainingOps::Create(*backend, pool), GetParam() == Type::kFloat32 ? 2e-5f : 1e-2f);
}

TEST_P(CudaTrainingTest, IsNearTheReferenceInDoublePrecision) {
  const auto backend = Backend::Create(Isa::kReference, GetParam());
  ThreadPool pool(1);
  ExpectNear(*TrainingOps::Create(*backend, pool), GetParam() == Type::kFloat32 ? 2e-5f : 1e-2f);
}

TEST_P(CudaTrainingTest, AnAttentionItCannotServeStaysInItsStatus) {
  const auto ops = NewEmulatedTraining(GetParam(), {});
  const Held some(*ops, Floats(1024));
  const int32_t begins[] = {0, 1};
  ops->Attend({1, 1, 256}, {begins}, 0, some, some, some);
  EXPECT_EQ(ops->status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(CudaTrainingTest, WorkIsLateAndAFaultStaysInItsStatus) {
  const auto ops = NewEmulatedTraining(GetParam(), {});
  const Held x(*ops, {1, 2}), y(*ops, {3, 4});
  ops->Add(x, y, 2);
  EXPECT_EQ(static_cast<float*>(x)[0], 1) << "nobody has waited for it";
  EXPECT_EQ(x.Values(), (Floats{4, 6}));
  const RowsBuffer one(ops->type(), 16, 32, ops->memory());
  RowsBuffer out(ops->type(), 16, 32, ops->memory());
  const Held wide(*ops, Floats(40 * 32)), gain(*ops, Floats(32, 1.0f));
  ops->RmsNorm(wide, gain, 32, 1e-5f, 40, out);  // forty rows do not fit into sixteen
  EXPECT_TRUE(ops->status().ok());
  ops->Finish();
  EXPECT_NE(Message(ops->status()).find("kernel rms_norm, block (16, 0), thread 0"), std::string::npos)
      << Message(ops->status());
}

INSTANTIATE_TEST_SUITE_P(Types, CudaTrainingTest, ::testing::Values(Type::kFloat32, Type::kBfloat16),
                         [](const auto& info) { return info.param == Type::kFloat32 ? "float32" : "bfloat16"; });

TEST(Portable, LogIsNearTheLibrarys) {
  double worst = 0, worst_near_one = 0;
  for (float x = 1e-30f; x < 1e30f; x *= 1.0003f)
    worst = std::max(worst, std::abs(double{Log(x)} - std::log(double{x})) / (1 + std::abs(std::log(double{x}))));
  for (float x = 0.9f; x < 1.1f; x += 0.000013f) {
    if (x != 1) worst_near_one = std::max(worst_near_one, std::abs(double{Log(x)} / std::log(double{x}) - 1));
  }
  EXPECT_LT(worst, 1.2e-7);
  EXPECT_LT(worst_near_one, 2.5e-7);
  EXPECT_EQ(Log(1), 0);
  EXPECT_EQ(Log(HUGE_VALF), HUGE_VALF);
  EXPECT_TRUE(std::isnan(Log(NAN)));
}

}  // namespace
}  // namespace orrery::kernels
