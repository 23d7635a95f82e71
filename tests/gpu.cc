// SPDX-License-Identifier: Apache-2.0
// Tests a CUDA device, if there is one: every operation of the forward pass and of training against the reference,
// products' independence of their company, a small transformer's forward pass in several batch compositions, and steps
// of its training.
//
//   gpu [DEVICE]        DEVICE counts from 0
//
// Exit code 0: all agree; 1: something differs; 3: there is no device (or this build has no CUDA).
#include <fmt/format.h>

#include <cstdlib>

#include "kernels/cuda/cuda_device.h"
#include "kernels/reference/ordered_training.h"
#include "kernels/reference/reference.h"
#include "kernels/thread_pool.h"
#include "tests/gpu_checks.h"

namespace orrery {
namespace {

using kernels::Type;

constexpr int kNoDevice = 3;

int Main(int number) {
  const auto devices = kernels::cuda::FindDevices();
  if (!devices.ok()) {
    fmt::print(stderr, "gpu: {}\n", Message(devices.status()));
    return kNoDevice;
  }
  Report report;
  kernels::ThreadPool pool(1);
  for (const Type type : {Type::kFloat32, Type::kBfloat16}) {
    const auto device = kernels::cuda::NewCudaDevice(number, type);
    if (!device.ok()) {
      fmt::print(stderr, "gpu: {}\n", Message(device.status()));
      return kNoDevice;
    }
    fmt::print("{}, {}\n", (*device)->Name(), type == Type::kFloat32 ? "float32" : "bfloat16");
    const auto backend = kernels::reference::NewOrderedBackend(type);
    const auto reference = NewHostDevice(*backend, pool);
    CheckOperations(**device, *reference, report);
    CheckProductsCompany(**device, {{896, 896}, {9728, 896}, {896, 4864}, {3584, 18944}}, report);
    CheckForward(**device, *reference, report);
    const auto training = kernels::cuda::NewCudaTraining(number, type);
    if (!training.ok()) {
      report.Line(false, "training", Message(training.status()));
      continue;
    }
    const auto ordered = kernels::reference::NewOrderedTraining(type);
    CheckTraining(**training, *ordered, report);
    CheckTrainingSteps(**training, *ordered, report);
  }
  fmt::print("{} passed, {} failed\n", report.good(), report.bad());
  return report.bad() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace orrery

int main(int argc, char** argv) { return orrery::Main(argc > 1 ? std::atoi(argv[1]) : 0); }
