// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/emulator/emulated_training.h"

#include <utility>

#include "kernels/cuda/emulator/emulated_runtime.h"
#include "kernels/cuda/training_on.h"

namespace orrery::kernels::cuda::emulator {
namespace {

// The reference's products, in the order of the runtime's work.
class EmulatedProducts : public TrainingProducts {
 public:
  EmulatedProducts(Type type, EmulatedRuntime& runtime)
      : runtime_(runtime), products_(reference::NewTrainingProducts(type)) {}

  void Multiply(const Factor& a, const Factor& b, int m, int n, int k, bool add, float* c) override {
    runtime_.Do([=, this] { products_->Multiply(a, b, m, n, k, add, c); });
  }
  Status status() const override { return absl::OkStatus(); }

 private:
  EmulatedRuntime& runtime_;
  std::unique_ptr<TrainingProducts> products_;
};

}  // namespace

std::unique_ptr<TrainingOps> NewEmulatedTraining(Type type, const Schedule& schedule) {
  auto runtime = std::make_unique<EmulatedRuntime>(schedule, Work::kLate);
  auto products = std::make_unique<EmulatedProducts>(type, *runtime);
  return std::make_unique<TrainingOn<EmulatedRuntime>>(type, std::move(runtime), std::move(products));
}

}  // namespace orrery::kernels::cuda::emulator
