// SPDX-License-Identifier: Apache-2.0
#include "model/formats/gguf.h"

#include "model/formats/gguf_parser.h"

namespace orrery::model {
namespace {

struct TypeFacts {
  GgufType type;
  std::string_view name;
  GgufBlock block;
};

constexpr TypeFacts kTypes[] = {
    {GgufType::kF32, "F32", {1, 4}},       {GgufType::kF16, "F16", {1, 2}},       {GgufType::kBF16, "BF16", {1, 2}},
    {GgufType::kQ4_0, "Q4_0", {32, 18}},   {GgufType::kQ4_1, "Q4_1", {32, 20}},   {GgufType::kQ5_0, "Q5_0", {32, 22}},
    {GgufType::kQ5_1, "Q5_1", {32, 24}},   {GgufType::kQ8_0, "Q8_0", {32, 34}},   {GgufType::kQ4_K, "Q4_K", {256, 144}},
    {GgufType::kQ5_K, "Q5_K", {256, 176}}, {GgufType::kQ6_K, "Q6_K", {256, 210}},
};

const TypeFacts& Facts(GgufType type) {
  for (const TypeFacts& facts : kTypes) {
    if (facts.type == type) return facts;
  }
  return kTypes[0];  // not reached: only types of the enumeration pass the parser
}

}  // namespace

std::string_view Name(GgufType type) { return Facts(type).name; }

GgufBlock Block(GgufType type) { return Facts(type).block; }

uint64_t GgufTensor::elements() const {
  uint64_t product = 1;
  for (const uint64_t size : shape) product *= size;
  return product;
}

StatusOr<std::unique_ptr<GgufFile>> GgufFile::Open(const std::filesystem::path& path) {
  std::unique_ptr<GgufFile> file(new GgufFile);
  file->path_ = path;
  ORRERY_ASSIGN_OR_RETURN(file->mapped_, MappedFile::Open(path, "a GGUF file"));
  file->bytes_ = file->mapped_.bytes();
  if (auto status = GgufParser(*file).Parse(); !status.ok()) return status;
  return file;
}

StatusOr<std::unique_ptr<GgufFile>> GgufFile::FromBytes(std::span<const uint8_t> bytes,
                                                        const std::filesystem::path& name) {
  std::unique_ptr<GgufFile> file(new GgufFile);
  file->path_ = name;
  file->bytes_ = bytes;
  if (auto status = GgufParser(*file).Parse(); !status.ok()) return status;
  return file;
}

const GgufTensor* GgufFile::Find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

template <class T>
StatusOr<T> GgufFile::Get(std::string_view key, std::string_view expected) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end())
    return InvalidInput("{}: key '{}' is missing ({} was expected)", path_.string(), key, expected);
  if (const T* value = std::get_if<T>(&found->second)) return *value;
  return InvalidInput("{}: key '{}' has another type; {} was expected", path_.string(), key, expected);
}

StatusOr<std::string_view> GgufFile::String(std::string_view key) const {
  return Get<std::string_view>(key, "a string");
}

StatusOr<double> GgufFile::Float(std::string_view key) const { return Get<double>(key, "a floating-point number"); }

StatusOr<bool> GgufFile::Boolean(std::string_view key) const { return Get<bool>(key, "a boolean"); }

StatusOr<uint64_t> GgufFile::Unsigned(std::string_view key) const {
  const auto found = metadata_.find(key);
  if (found != metadata_.end()) {
    if (const int64_t* value = std::get_if<int64_t>(&found->second)) {
      if (*value >= 0) return static_cast<uint64_t>(*value);
      return InvalidInput("{}: key '{}' is {}; a number not below 0 was expected", path_.string(), key, *value);
    }
  }
  return Get<uint64_t>(key, "a whole number not below 0");
}

namespace {

template <class T>
StatusOr<std::span<const T>> Elements(const GgufFile& file, std::string_view key, std::string_view expected) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) {
    return InvalidInput("{}: key '{}' is missing ({} was expected)", file.path().string(), key, expected);
  }
  if (const GgufArray* array = std::get_if<GgufArray>(&found->second)) {
    if (const auto* elements = std::get_if<std::vector<T>>(array)) return std::span<const T>(*elements);
  }
  return InvalidInput("{}: key '{}' has another type; {} was expected", file.path().string(), key, expected);
}

}  // namespace

StatusOr<std::span<const std::string_view>> GgufFile::Strings(std::string_view key) const {
  return Elements<std::string_view>(*this, key, "an array of strings");
}

StatusOr<std::span<const double>> GgufFile::Floats(std::string_view key) const {
  return Elements<double>(*this, key, "an array of floating-point numbers");
}

StatusOr<std::span<const int64_t>> GgufFile::Integers(std::string_view key) const {
  return Elements<int64_t>(*this, key, "an array of whole numbers");
}

}  // namespace orrery::model
