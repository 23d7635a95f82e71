// SPDX-License-Identifier: Apache-2.0
#pragma once

// A finished FlatBuffer that is never written again: built once, shared by reference count, the same bytes in memory,
// on disk and on a wire.

#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace orrery::schema {

// The bytes of a FlatBuffer whose root is a T. Copying copies a pointer.
template <class T>
class Chunk {
 public:
  Chunk() = default;

  // Takes over a builder's finished buffer.
  explicit Chunk(flatbuffers::FlatBufferBuilder&& finished)
      : bytes_(std::make_shared<const flatbuffers::DetachedBuffer>(finished.Release())),
        view_(reinterpret_cast<const char*>(bytes_->data()), bytes_->size()) {}

  // Copies bytes that came from outside; Corrupt if they are no T.
  static StatusOr<Chunk> Verified(std::string_view bytes) {
    Chunk chunk;
    chunk.owned_ = std::make_shared<const std::string>(bytes);  // first: only the copy is sure to be aligned
    chunk.view_ = *chunk.owned_;
    flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(chunk.view_.data()), chunk.view_.size());
    if (!verifier.VerifyBuffer<T>(nullptr))
      return Corrupt("a record of {} bytes is not the FlatBuffer that was expected", bytes.size());
    return chunk;
  }

  explicit operator bool() const { return !view_.empty(); }
  const T* operator->() const { return get(); }
  const T& operator*() const { return *get(); }
  const T* get() const { return view_.empty() ? nullptr : flatbuffers::GetRoot<T>(view_.data()); }
  std::string_view bytes() const { return view_; }

 private:
  std::shared_ptr<const flatbuffers::DetachedBuffer> bytes_;
  std::shared_ptr<const std::string> owned_;
  std::string_view view_;
};

}  // namespace orrery::schema
