// SPDX-License-Identifier: Apache-2.0
// The checks of //tests:gpu on the emulator, and on devices that are wrong: they must tell.
#include "tests/gpu_checks.h"

#include <gtest/gtest.h>

#include "kernels/cuda/emulator/emulated_device.h"
#include "kernels/cuda/emulator/emulated_training.h"
#include "kernels/reference/ordered_training.h"
#include "kernels/reference/reference.h"
#include "kernels/thread_pool.h"

namespace orrery {
namespace {

using kernels::Type;
using kernels::cuda::emulator::NewEmulatedDevice;

class GpuChecksTest : public ::testing::Test {
 protected:
  kernels::ThreadPool pool_{1};
  std::unique_ptr<kernels::Backend> ordered_ = kernels::reference::NewOrderedBackend(Type::kFloat32);
  std::unique_ptr<kernels::Device> reference_ = NewHostDevice(*ordered_, pool_);
  std::unique_ptr<kernels::TrainingOps> ordered_training_ = kernels::reference::NewOrderedTraining(Type::kFloat32);
  std::unique_ptr<kernels::Backend> double_ = kernels::reference::NewBackend(Type::kFloat32);
};

TEST_F(GpuChecksTest, TheEmulatedDevicePasses) {
  const auto device = NewEmulatedDevice(Type::kFloat32, {});
  Report report;
  CheckOperations(*device, *reference_, report);
  CheckProductsCompany(*device, {{40, 33}}, report);
  CheckForward(*device, *reference_, report);
  EXPECT_EQ(report.bad(), 0);
  EXPECT_GT(report.good(), 30);
}

TEST_F(GpuChecksTest, TheEmulatedTrainingPasses) {
  const auto ops = kernels::cuda::emulator::NewEmulatedTraining(Type::kFloat32, {});
  Report report;
  CheckTraining(*ops, *ordered_training_, report);
  CheckTrainingSteps(*ops, *ordered_training_, report);
  EXPECT_EQ(report.bad(), 0);
  EXPECT_GT(report.good(), 30);
}

TEST_F(GpuChecksTest, ATrainingWithOtherSumsOrThatFailsIsFound) {
  const auto other = kernels::TrainingOps::Create(*double_, pool_);
  Report report;
  CheckTraining(*other, *ordered_training_, report);
  EXPECT_GT(report.bad(), 10);  // near, but not the bits
  const auto ops = kernels::cuda::emulator::NewEmulatedTraining(Type::kFloat32, {});
  float some[16] = {};
  const int32_t begins[] = {0, 1};
  ops->Attend({1, 1, 256}, {begins}, 0, some, some, some);  // wider than it serves
  Report broken;
  CheckTraining(*ops, *ordered_training_, broken);
  CheckTrainingSteps(*ops, *ordered_training_, broken);
  EXPECT_EQ(broken.good(), 0);
}

TEST_F(GpuChecksTest, ADeviceWithOtherSumsIsFound) {
  const auto device = NewHostDevice(*double_, pool_);
  Report report;
  CheckOperations(*device, *reference_, report);
  EXPECT_GT(report.bad(), 3);  // near, but not the bits
}

TEST_F(GpuChecksTest, ADeviceThatFailsIsFound) {
  const auto device = NewEmulatedDevice(Type::kFloat32, {});
  const auto small = device->NewBuffer(Type::kFloat32, 1), gain = device->NewBuffer(Type::kFloat32, 32);
  const auto out = device->NewBuffer(Type::kFloat32, 32);
  device->RmsNorm(*small, *gain, 32, 1e-5f, 1, nullptr, *out);
  ASSERT_FALSE(device->status().ok());
  Report report;
  CheckProductsCompany(*device, {{40, 33}}, report);
  CheckForward(*device, *reference_, report);
  EXPECT_EQ(report.good(), 0);
}

}  // namespace
}  // namespace orrery
