// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads the head of a GGUF file, which is outside data: every length is compared with the bytes that are left before it
// is used.

#include <cstring>
#include <string>
#include <string_view>

#include "base/status.h"
#include "model/formats/gguf.h"

namespace orrery::model {

class GgufParser {
 public:
  // Fills `file`, whose path and bytes are already set.
  explicit GgufParser(GgufFile& file) : file_(file) {}
  Status Parse();

 private:
  struct Counts {
    uint64_t tensors;
    uint64_t keys;
  };

  uint64_t left() const { return file_.bytes_.size() - position_; }
  StatusOr<Counts> Head();
  Status KeyValue();
  Status TensorInfo();
  Status TensorType(GgufTensor& tensor, uint64_t* bytes);
  StatusOr<uint64_t> Alignment() const;
  Status PlaceTensors();

  StatusOr<GgufValue> Value(uint32_t type, std::string_view key);
  StatusOr<GgufValue> Array(std::string_view key);
  template <class T, class Element>
  StatusOr<GgufArray> Numbers(uint64_t count, std::string_view key);
  StatusOr<GgufArray> StringArray(uint64_t count, std::string_view key);
  StatusOr<std::string_view> String(std::string_view what);

  template <class T>
  StatusOr<T> Scalar(std::string_view what) {
    if (left() < sizeof(T)) return Truncated(sizeof(T), what);
    T value;
    std::memcpy(&value, file_.bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  Status Truncated(uint64_t wanted, std::string_view what) const;
  template <class... Args>
  Status Bad(fmt::format_string<Args...> format, Args&&... args) const {
    return InvalidInput("{}: {}", file_.path_.string(), fmt::format(format, std::forward<Args>(args)...));
  }

  struct Placed {
    uint64_t offset;  // from the start of the data section
    uint64_t bytes;
  };

  GgufFile& file_;
  uint64_t position_ = 0;
  std::vector<Placed> placed_;  // beside file_.tensors_
};

}  // namespace orrery::model
