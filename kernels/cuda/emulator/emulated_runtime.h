// SPDX-License-Identifier: Apache-2.0
#pragma once

// The runtime below device_on.h and training_on.h for which the emulator runs kernels in the host's memory.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "kernels/cuda/emulator/emulator.h"

namespace orrery::kernels::cuda::emulator {

// When work is done: at its call, or as late as a device may do it, when somebody waits for it. A host that reads or
// writes shared memory without waiting then finds what was there before.
enum class Work : uint8_t { kAtOnce, kLate };

class EmulatedRuntime {
 public:
  explicit EmulatedRuntime(const Schedule& schedule, Work work = Work::kAtOnce) : schedule_(schedule), work_(work) {}

  std::string Name() const { return "cuda-emulated"; }
  Status status() const { return status_; }

  void* Allocate(size_t bytes) {
    void* memory = std::aligned_alloc(kAlignment, (bytes / kAlignment + 1) * kAlignment);
    if (memory == nullptr) {
      status_ = Unavailable("no room for {} bytes", bytes);
    } else {
      std::memset(memory, 0, bytes);
    }
    return memory;
  }
  void Free(void* memory) {
    Finish();
    std::free(memory);
  }
  void Upload(const void* host, void* device, size_t bytes) {
    const auto* from = static_cast<const uint8_t*>(host);
    Do([values = std::vector<uint8_t>(from, from + bytes), device] {
      std::memcpy(device, values.data(), values.size());
    });
  }
  void Download(const void* device, void* host, size_t bytes) {
    Finish();
    std::memcpy(host, device, bytes);
  }
  void Copy(const void* from, void* to, size_t bytes) {
    Do([=] { std::memmove(to, from, bytes); });
  }
  void Clear(void* device, size_t bytes) {
    Do([=] { std::memset(device, 0, bytes); });
  }
  void* AllocateShared(size_t bytes) { return Allocate(bytes); }
  void FreeShared(void* memory) { Free(memory); }

  // `work` is done after all that came before it.
  void Do(std::function<void()> work) {
    if (work_ == Work::kAtOnce) return work();
    waiting_.push_back(std::move(work));
  }
  void Finish() {
    for (const auto& work : std::exchange(waiting_, {})) work();
  }

  template <class Kernel>
  void Launch(const Kernel& kernel, Dim blocks) {
    Do([this, kernel, blocks] {
      if (!status_.ok()) return;
      if (const std::optional<Fault> fault = emulator::Launch(kernel, blocks, schedule_))
        status_ = Failed("{}", fault->Text());
    });
  }

 private:
  static constexpr size_t kAlignment = 64;

  Schedule schedule_;
  Work work_;
  std::vector<std::function<void()>> waiting_;
  Status status_;
};

}  // namespace orrery::kernels::cuda::emulator
