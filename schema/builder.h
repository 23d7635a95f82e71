// SPDX-License-Identifier: Apache-2.0
#pragma once

// What messages and records are built in before they become chunks (chunk.h) of just their size.
//
// Millions are built, one after the other on each thread, so a builder's buffer goes back to a few that its thread
// keeps instead of to the heap.

#include <flatbuffers/flatbuffers.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace orrery::schema {

// Gives out its thread's buffers. Not for sharing: a builder ends on the thread that it began on.
class KeptBuffers final : public flatbuffers::Allocator {
 public:
  // Nearly every message fits one such buffer.
  static constexpr size_t kBytes = 16 * 1024;

  static KeptBuffers& OfThread() {
    thread_local KeptBuffers buffers;
    return buffers;
  }

  uint8_t* allocate(size_t bytes) override {
    if (bytes > kBytes) return new uint8_t[bytes];
    return kept_ > 0 ? buffers_[--kept_].release() : new uint8_t[kBytes];
  }

  void deallocate(uint8_t* buffer, size_t bytes) override {
    std::unique_ptr<uint8_t[]> owned(buffer);
    if (bytes <= kBytes && kept_ < buffers_.size()) buffers_[kept_++] = std::move(owned);
  }

 private:
  // Builders that live at a time: hardly ever more.
  std::array<std::unique_ptr<uint8_t[]>, 4> buffers_;
  size_t kept_ = 0;
};

class Builder : public flatbuffers::FlatBufferBuilder {
 public:
  // `expected`: bytes of what is known to be larger than a kept buffer; then it need not grow on the way.
  explicit Builder(size_t expected = KeptBuffers::kBytes) : FlatBufferBuilder(expected, &KeptBuffers::OfThread()) {}
};

}  // namespace orrery::schema
