// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/emulator/emulated_device.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "kernels/cuda/device_on.h"
#include "kernels/cuda/products.h"
#include "kernels/reference/reference.h"

namespace orrery::kernels::cuda::emulator {
namespace {

class EmulatedRuntime {
 public:
  explicit EmulatedRuntime(const Schedule& schedule) : schedule_(schedule) {}

  std::string Name() const { return "cuda-emulated"; }
  Status status() const { return status_; }

  void* Allocate(size_t bytes) {
    void* memory = std::calloc(bytes + 1, 1);
    if (memory == nullptr) status_ = Unavailable("no room for {} bytes", bytes);
    return memory;
  }
  void Free(void* memory) { std::free(memory); }
  void Upload(const void* host, void* device, size_t bytes) { std::memcpy(device, host, bytes); }
  void Download(const void* device, void* host, size_t bytes) { std::memcpy(host, device, bytes); }
  void Copy(const void* from, void* to, size_t bytes) { std::memmove(to, from, bytes); }
  void Clear(void* device, size_t bytes) { std::memset(device, 0, bytes); }

  template <class Kernel>
  void Launch(const Kernel& kernel, Dim blocks) {
    if (const std::optional<Fault> fault = emulator::Launch(kernel, blocks, schedule_); fault && status_.ok())
      status_ = Failed("{}", fault->Text());
  }

 private:
  Schedule schedule_;
  Status status_;
};

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
