// SPDX-License-Identifier: Apache-2.0
#include "kernels/training.h"

#include <sys/mman.h>

#include <new>
#include <utility>

namespace orrery::kernels {
namespace {

class HostMemory : public TrainingMemory {
 public:
  void* Allocate(size_t bytes) override {
    if (bytes == 0) return nullptr;
    void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) throw std::bad_alloc();
    madvise(data, bytes, MADV_HUGEPAGE);
    return data;
  }
  void Free(void* data, size_t bytes) override {
    if (data != nullptr) munmap(data, bytes);
  }
};

}  // namespace

TrainingMemory& TrainingMemory::Host() {
  static HostMemory memory;
  return memory;
}

// Products read whole vectors: some bytes beyond the last row are there.
RowsBuffer::RowsBuffer(Type type, int rows, int width, TrainingMemory& memory)
    : memory_(&memory),
      type_(type),
      rows_(rows),
      width_(width),
      bytes_((static_cast<size_t>(PaddedRows(rows)) * stride_bytes() + 63) / 64 * 64 + 64),
      data_(static_cast<uint8_t*>(memory.Allocate(bytes_))) {}

RowsBuffer::~RowsBuffer() {
  if (data_ != nullptr) memory_->Free(data_, bytes_);
}

RowsBuffer::RowsBuffer(RowsBuffer&& other) noexcept
    : memory_(other.memory_),
      type_(other.type_),
      rows_(other.rows_),
      width_(other.width_),
      bytes_(other.bytes_),
      data_(std::exchange(other.data_, nullptr)) {}

std::unique_ptr<TrainingOps> TrainingOps::Create(const Backend& backend, ThreadPool& pool) {
  return backend.isa() == Isa::kReference ? reference::NewTrainingOps(backend, pool)
                                          : cpu::NewTrainingOps(backend, pool);
}

}  // namespace orrery::kernels
