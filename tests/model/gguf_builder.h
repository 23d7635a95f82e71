// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes GGUF bytes by hand for tests, right or wrong as asked.

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace orrery::model {

class GgufBuilder {
 public:
  enum : uint32_t {
    kUint8,
    kInt8,
    kUint16,
    kInt16,
    kUint32,
    kInt32,
    kFloat32,
    kBool,
    kString,
    kArray,
    kUint64,
    kInt64,
    kFloat64
  };

  template <class T>
  static std::string Raw(T value) {
    static_assert(std::is_trivially_copyable_v<T>);
    return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  static std::string Sized(std::string_view text) { return Raw<uint64_t>(text.size()) + std::string(text); }
  static std::string Array(uint32_t type, uint64_t count, std::string_view elements) {
    return Raw(type) + Raw(count) + std::string(elements);
  }

  GgufBuilder& Key(std::string_view key, uint32_t type, std::string_view value) {
    keys_ += Sized(key) + Raw(type) + std::string(value);
    ++key_count;
    return *this;
  }
  // The data is padded to the alignment, and the offset is where it lies, unless one is given.
  GgufBuilder& Tensor(std::string_view name, const std::vector<uint64_t>& shape, uint32_t type, std::string_view data,
                      int64_t offset = -1) {
    infos_ += Sized(name) + Raw<uint32_t>(static_cast<uint32_t>(shape.size()));
    for (const uint64_t size : shape) infos_ += Raw(size);
    infos_ += Raw(type) + Raw<uint64_t>(offset < 0 ? data_.size() : static_cast<uint64_t>(offset));
    data_ += data;
    data_.resize((data_.size() + alignment - 1) / alignment * alignment);
    ++tensor_count;
    return *this;
  }
  std::string Bytes() const {
    std::string bytes = magic + Raw(version) + Raw(tensor_count) + Raw(key_count) + keys_ + infos_;
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    return bytes + data_;
  }

  std::string magic = "GGUF";
  uint32_t version = 3;
  uint64_t tensor_count = 0;
  uint64_t key_count = 0;
  uint64_t alignment = 32;

 private:
  std::string keys_, infos_, data_;
};

}  // namespace orrery::model
