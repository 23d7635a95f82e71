// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/emulator/emulated_device.h"

#include "kernels/cuda/device_on.h"
#include "kernels/cuda/emulator/emulated_runtime.h"
#include "kernels/cuda/products.h"
#include "kernels/reference/reference.h"

namespace orrery::kernels::cuda::emulator {
namespace {

class ReferenceProducts : public Products {
 public:
  explicit ReferenceProducts(Type type) : type_(type) {}

  int row_tile() const override { return kRowTile; }
  std::unique_ptr<WeightMatrix> NewMatrix(int n, int k) override { return reference::NewMatrix(n, k, type_); }
  size_t MatrixBytes(int n, int k) const override { return static_cast<size_t>(n) * k * sizeof(float); }
  void Multiply(const WeightMatrix& matrix, const void* x, int rows, float* y) override {
    const auto& plain = static_cast<const Matrix&>(matrix);
    for (int b = 0; b < plain.blocks(); ++b)
      plain.Multiply(b, x, rows, y + b * plain.block_columns(), Device::OutputStride(matrix));
  }
  Status status() const override { return absl::OkStatus(); }

 private:
  Type type_;
};

}  // namespace

std::unique_ptr<Device> NewEmulatedDevice(Type type, const Schedule& schedule) {
  return std::make_unique<DeviceOn<EmulatedRuntime>>(type, std::make_unique<EmulatedRuntime>(schedule),
                                                     std::make_unique<ReferenceProducts>(type));
}

}  // namespace orrery::kernels::cuda::emulator
