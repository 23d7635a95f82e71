// SPDX-License-Identifier: Apache-2.0
#pragma once

// A GGUF v2/v3 file mapped into memory: its key-values and its tensors, checked before anything is believed.
//
// Opening checks magic, version, every length against the file's size without overflow, tensor types, offsets and
// alignment; errors name the file, the key or tensor and what was expected.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "model/formats/mapped_file.h"

namespace orrery::model {

// The tensor types that can be read, by their number in the file format.
enum class GgufType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

std::string_view Name(GgufType type);

// Elements in one block of the type, and the bytes that a block takes.
struct GgufBlock {
  uint32_t elements;
  uint32_t bytes;
};
GgufBlock Block(GgufType type);

struct GgufTensor {
  std::string name;
  GgufType type;
  std::vector<uint64_t> shape;    // the file's order: shape[0] is contiguous
  std::span<const uint8_t> data;  // in the mapped file, whole blocks
  uint64_t elements() const;
};

using GgufArray = std::variant<std::vector<int64_t>, std::vector<double>, std::vector<std::string_view>>;
using GgufValue = std::variant<int64_t, uint64_t, double, bool, std::string_view, GgufArray>;

class GgufFile {
 public:
  static StatusOr<std::unique_ptr<GgufFile>> Open(const std::filesystem::path& path);
  // The same over bytes in memory, which must outlive the object; `name` stands for the path in errors.
  static StatusOr<std::unique_ptr<GgufFile>> FromBytes(std::span<const uint8_t> bytes,
                                                       const std::filesystem::path& name);

  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }

  // nullptr if there is none.
  const GgufTensor* Find(std::string_view name) const;

  // Typed access to a key; the error names the file, the key, the type expected.
  StatusOr<std::string_view> String(std::string_view key) const;
  StatusOr<uint64_t> Unsigned(std::string_view key) const;
  StatusOr<double> Float(std::string_view key) const;
  StatusOr<bool> Boolean(std::string_view key) const;
  StatusOr<std::span<const std::string_view>> Strings(std::string_view key) const;
  StatusOr<std::span<const int64_t>> Integers(std::string_view key) const;
  StatusOr<std::span<const double>> Floats(std::string_view key) const;

 private:
  GgufFile() = default;
  template <class T>
  StatusOr<T> Get(std::string_view key, std::string_view expected) const;

  std::filesystem::path path_;
  MappedFile mapped_;  // empty if the bytes are the caller's
  std::span<const uint8_t> bytes_;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string_view, size_t> index_;  // a tensor's name to its place in tensors_

  friend class GgufParser;
};

// Writes the `count` elements from `first` on (a multiple of the type's block) as float32; the definition is ggml's
// published block layouts.
void Dequantise(const GgufTensor& tensor, uint64_t first, uint64_t count, float* out);

}  // namespace orrery::model
