// SPDX-License-Identifier: Apache-2.0
#pragma once

// A file's bytes in memory, read-only, for as long as the object lives.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace orrery::model {

class MappedFile {
 public:
  MappedFile() = default;
  // An empty file gives an empty span. `expected` ("a GGUF file") is for errors.
  static StatusOr<MappedFile> Open(const std::filesystem::path& path, std::string_view expected);
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedFile();

  std::span<const uint8_t> bytes() const { return bytes_; }

 private:
  std::span<const uint8_t> bytes_;
};

}  // namespace orrery::model
