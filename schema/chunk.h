// SPDX-License-Identifier: Apache-2.0
#pragma once

// A finished FlatBuffer that is never written again: built once, shared by reference count, the same bytes in memory,
// on disk and on a wire.

#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace orrery::schema {

// The bytes of a FlatBuffer whose root is a T. Copying copies a pointer. One allocation, as large as the bytes:
// millions of them are kept at a time.
template <class T>
class Chunk {
 public:
  Chunk() = default;

  // The bytes of a builder's finished buffer.
  explicit Chunk(flatbuffers::FlatBufferBuilder&& finished)
      : Chunk(std::string_view(reinterpret_cast<const char*>(finished.GetBufferPointer()), finished.GetSize())) {}

  // Copies bytes that came from outside; Corrupt if they are no T.
  static StatusOr<Chunk> Verified(std::string_view bytes) {
    Chunk chunk(bytes);  // first: only the copy is sure to be aligned
    const auto view = chunk.bytes();
    flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(view.data()), view.size());
    if (!verifier.VerifyBuffer<T>(nullptr))
      return Corrupt("a record of {} bytes is not the FlatBuffer that was expected", bytes.size());
    return chunk;
  }

  explicit operator bool() const { return !bytes().empty(); }
  const T* operator->() const { return get(); }
  const T& operator*() const { return *get(); }
  const T* get() const { return bytes().empty() ? nullptr : flatbuffers::GetRoot<T>(bytes().data()); }
  std::string_view bytes() const {
    if (words_ == nullptr) return {};
    return {reinterpret_cast<const char*>(words_.get() + 1), words_[0]};
  }

 private:
  explicit Chunk(std::string_view bytes) {
    auto words =
        std::make_shared_for_overwrite<uint64_t[]>(1 + (bytes.size() + sizeof(uint64_t) - 1) / sizeof(uint64_t));
    words[0] = bytes.size();
    if (!bytes.empty()) std::memcpy(words.get() + 1, bytes.data(), bytes.size());
    words_ = std::move(words);
  }

  std::shared_ptr<const uint64_t[]> words_;  // the number of bytes, then the bytes, aligned for any field
};

}  // namespace orrery::schema
