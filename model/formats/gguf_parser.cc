// SPDX-License-Identifier: Apache-2.0
#include "model/formats/gguf_parser.h"

#include <limits>

namespace orrery::model {
namespace {

constexpr uint64_t kMaxKeyBytes = 65535;  // the format's own limit
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = 1 << 20;

// The numbers by which the format names the types of metadata values.
enum ValueType : uint32_t {
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
  kFloat64,
  kValueTypes
};

// The least bytes a value of the type takes.
uint64_t MinimumBytes(uint32_t type) {
  constexpr uint64_t kBytes[kValueTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};
  return kBytes[type];
}

bool Known(uint32_t type) {
  switch (static_cast<GgufType>(type)) {
    case GgufType::kF32:
    case GgufType::kF16:
    case GgufType::kBF16:
    case GgufType::kQ4_0:
    case GgufType::kQ4_1:
    case GgufType::kQ5_0:
    case GgufType::kQ5_1:
    case GgufType::kQ8_0:
    case GgufType::kQ4_K:
    case GgufType::kQ5_K:
    case GgufType::kQ6_K: return true;
  }
  return false;
}

}  // namespace

Status GgufParser::Truncated(uint64_t wanted, std::string_view what) const {
  return Bad("{} needs {} bytes at offset {}, but the file ends after {} more ({} bytes in all): truncated?", what,
             wanted, position_, left(), file_.bytes_.size());
}

Status GgufParser::Parse() {
  ORRERY_ASSIGN_OR_RETURN(const Counts counts, Head());
  for (uint64_t i = 0; i < counts.keys; ++i) {
    if (auto status = KeyValue(); !status.ok()) return status;
  }
  file_.tensors_.reserve(counts.tensors);
  for (uint64_t i = 0; i < counts.tensors; ++i) {
    if (auto status = TensorInfo(); !status.ok()) return status;
  }
  return PlaceTensors();
}

StatusOr<GgufParser::Counts> GgufParser::Head() {
  if (left() < 4 || std::memcmp(file_.bytes_.data(), "GGUF", 4) != 0) {
    return Bad("not a GGUF file: it does not begin with the bytes 'GGUF'");
  }
  position_ = 4;
  ORRERY_ASSIGN_OR_RETURN(const uint32_t version, Scalar<uint32_t>("the version"));
  if (version == 0x02000000 || version == 0x03000000)
    return Bad("a big-endian GGUF file; only little-endian ones can be read");
  if (version != 2 && version != 3) return Bad("GGUF version {}; versions 2 and 3 can be read", version);
  ORRERY_ASSIGN_OR_RETURN(const uint64_t tensors, Scalar<uint64_t>("the number of tensors"));
  ORRERY_ASSIGN_OR_RETURN(const uint64_t keys, Scalar<uint64_t>("the number of keys"));
  constexpr uint64_t kLeastKey = 8 + 1 + 4 + 1;  // length, one character, type, the smallest value
  constexpr uint64_t kLeastTensor =
      8 + 1 + 4 + 8 + 4 + 8;  // length, one character, dimensions, one of them, type, offset
  if (keys > left() / kLeastKey) return Bad("{} keys cannot fit in the {} bytes that follow", keys, left());
  if (tensors > left() / kLeastTensor) return Bad("{} tensors cannot fit in the {} bytes that follow", tensors, left());
  return Counts{tensors, keys};
}

StatusOr<std::string_view> GgufParser::String(std::string_view what) {
  ORRERY_ASSIGN_OR_RETURN(const uint64_t length, Scalar<uint64_t>(what));
  if (length > left()) return Truncated(length, what);
  const std::string_view text(reinterpret_cast<const char*>(file_.bytes_.data()) + position_, length);
  position_ += length;
  return text;
}

Status GgufParser::KeyValue() {
  ORRERY_ASSIGN_OR_RETURN(const std::string_view key, String("a key"));
  if (key.empty() || key.size() > kMaxKeyBytes) {
    return Bad("a key of {} bytes before offset {}; 1 to {} were expected", key.size(), position_, kMaxKeyBytes);
  }
  ORRERY_ASSIGN_OR_RETURN(const uint32_t type, Scalar<uint32_t>(key));
  ORRERY_ASSIGN_OR_RETURN(GgufValue value, Value(type, key));
  if (!file_.metadata_.emplace(key, std::move(value)).second) return Bad("key '{}' occurs twice", key);
  return absl::OkStatus();
}

namespace {

template <class To, class From>
StatusOr<GgufValue> Wrap(StatusOr<From> value) {
  if (!value.ok()) return value.status();
  return GgufValue(static_cast<To>(*value));
}

}  // namespace

StatusOr<GgufValue> GgufParser::Value(uint32_t type, std::string_view key) {
  switch (type) {
    case kUint8: return Wrap<uint64_t>(Scalar<uint8_t>(key));
    case kInt8: return Wrap<int64_t>(Scalar<int8_t>(key));
    case kUint16: return Wrap<uint64_t>(Scalar<uint16_t>(key));
    case kInt16: return Wrap<int64_t>(Scalar<int16_t>(key));
    case kUint32: return Wrap<uint64_t>(Scalar<uint32_t>(key));
    case kInt32: return Wrap<int64_t>(Scalar<int32_t>(key));
    case kUint64: return Wrap<uint64_t>(Scalar<uint64_t>(key));
    case kInt64: return Wrap<int64_t>(Scalar<int64_t>(key));
    case kFloat32: return Wrap<double>(Scalar<float>(key));
    case kFloat64: return Wrap<double>(Scalar<double>(key));
    case kString: return Wrap<std::string_view>(String(key));
    case kArray: return Array(key);
    case kBool: {
      ORRERY_ASSIGN_OR_RETURN(const uint8_t value, Scalar<uint8_t>(key));
      if (value > 1) return Bad("key '{}': a boolean of value {}; 0 or 1 was expected", key, value);
      return GgufValue(value == 1);
    }
    default: return Bad("key '{}': value type {} is unknown (0 to {} are known)", key, type, kValueTypes - 1);
  }
}

template <class T, class Element>
StatusOr<GgufArray> GgufParser::Numbers(uint64_t count, std::string_view key) {
  std::vector<Element> numbers(count);
  for (Element& number : numbers) {
    ORRERY_ASSIGN_OR_RETURN(const T value, Scalar<T>(key));
    if constexpr (std::is_same_v<T, uint64_t>) {
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return Bad("key '{}': the element {} is beyond a signed 64-bit number", key, value);
      }
    }
    number = static_cast<Element>(value);
  }
  return GgufArray(std::move(numbers));
}

StatusOr<GgufArray> GgufParser::StringArray(uint64_t count, std::string_view key) {
  std::vector<std::string_view> strings(count);
  for (std::string_view& text : strings) {
    ORRERY_ASSIGN_OR_RETURN(text, String(key));
  }
  return GgufArray(std::move(strings));
}

StatusOr<GgufValue> GgufParser::Array(std::string_view key) {
  ORRERY_ASSIGN_OR_RETURN(const uint32_t type, Scalar<uint32_t>(key));
  ORRERY_ASSIGN_OR_RETURN(const uint64_t count, Scalar<uint64_t>(key));
  if (type >= kValueTypes)
    return Bad("key '{}': element type {} is unknown (0 to {} are known)", key, type, kValueTypes - 1);
  if (type == kArray) return Bad("key '{}': an array of arrays, which cannot be read", key);
  if (count > left() / MinimumBytes(type)) {
    return Bad("key '{}': {} elements cannot fit in the {} bytes that follow", key, count, left());
  }
  StatusOr<GgufArray> array = [&]() -> StatusOr<GgufArray> {
    switch (type) {
      case kUint8:
      case kBool: return Numbers<uint8_t, int64_t>(count, key);
      case kInt8: return Numbers<int8_t, int64_t>(count, key);
      case kUint16: return Numbers<uint16_t, int64_t>(count, key);
      case kInt16: return Numbers<int16_t, int64_t>(count, key);
      case kUint32: return Numbers<uint32_t, int64_t>(count, key);
      case kInt32: return Numbers<int32_t, int64_t>(count, key);
      case kUint64: return Numbers<uint64_t, int64_t>(count, key);
      case kInt64: return Numbers<int64_t, int64_t>(count, key);
      case kFloat32: return Numbers<float, double>(count, key);
      case kFloat64: return Numbers<double, double>(count, key);
      default: return StringArray(count, key);
    }
  }();
  if (!array.ok()) return array.status();
  return GgufValue(std::move(array).value());
}

Status GgufParser::TensorInfo() {
  ORRERY_ASSIGN_OR_RETURN(const std::string_view name, String("a tensor's name"));
  if (name.empty() || name.size() > kMaxKeyBytes) {
    return Bad("a tensor's name of {} bytes before offset {}; 1 to {} were expected", name.size(), position_,
               kMaxKeyBytes);
  }
  GgufTensor tensor;
  tensor.name = name;
  ORRERY_ASSIGN_OR_RETURN(const uint32_t dimensions, Scalar<uint32_t>(name));
  if (dimensions == 0 || dimensions > kMaxDimensions) {
    return Bad("tensor '{}': {} dimensions; 1 to {} were expected", name, dimensions, kMaxDimensions);
  }
  for (uint32_t i = 0; i < dimensions; ++i) {
    ORRERY_ASSIGN_OR_RETURN(const uint64_t size, Scalar<uint64_t>(name));
    tensor.shape.push_back(size);
  }
  Placed placed{};
  if (auto status = TensorType(tensor, &placed.bytes); !status.ok()) return status;
  ORRERY_ASSIGN_OR_RETURN(placed.offset, Scalar<uint64_t>(name));
  if (!file_.index_.emplace(name, file_.tensors_.size()).second) return Bad("tensor '{}' occurs twice", name);
  file_.tensors_.push_back(std::move(tensor));
  placed_.push_back(placed);
  return absl::OkStatus();
}

Status GgufParser::TensorType(GgufTensor& tensor, uint64_t* bytes) {
  ORRERY_ASSIGN_OR_RETURN(const uint32_t type, Scalar<uint32_t>(tensor.name));
  if (!Known(type)) {
    return Bad(
        "tensor '{}': type {} cannot be read (F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K can)",
        tensor.name, type);
  }
  tensor.type = static_cast<GgufType>(type);
  const GgufBlock block = Block(tensor.type);
  uint64_t elements = 1;
  for (const uint64_t size : tensor.shape) {
    if (size == 0) return Bad("tensor '{}': a dimension of size 0", tensor.name);
    if (__builtin_mul_overflow(elements, size, &elements))
      return Bad("tensor '{}': more than 2^64 elements", tensor.name);
  }
  if (tensor.shape[0] % block.elements != 0) {
    return Bad("tensor '{}': its rows of {} elements are not whole blocks of {} ({})", tensor.name, tensor.shape[0],
               block.elements, Name(tensor.type));
  }
  if (__builtin_mul_overflow(elements / block.elements, uint64_t{block.bytes}, bytes)) {
    return Bad("tensor '{}': more than 2^64 bytes", tensor.name);
  }
  return absl::OkStatus();
}

StatusOr<uint64_t> GgufParser::Alignment() const {
  if (!file_.metadata_.contains("general.alignment")) return kDefaultAlignment;
  ORRERY_ASSIGN_OR_RETURN(const uint64_t alignment, file_.Unsigned("general.alignment"));
  if (alignment < 8 || alignment > kMaxAlignment || (alignment & (alignment - 1)) != 0) {
    return Bad("key 'general.alignment': {}; a power of two from 8 to {} was expected", alignment, kMaxAlignment);
  }
  return alignment;
}

Status GgufParser::PlaceTensors() {
  ORRERY_ASSIGN_OR_RETURN(const uint64_t alignment, Alignment());
  const uint64_t size = file_.bytes_.size();
  const uint64_t start = (position_ + alignment - 1) / alignment * alignment;
  for (size_t i = 0; i < placed_.size(); ++i) {
    GgufTensor& tensor = file_.tensors_[i];
    const auto [offset, bytes] = placed_[i];
    if (offset % alignment != 0) {
      return Bad("tensor '{}': offset {} is not a multiple of the alignment {}", tensor.name, offset, alignment);
    }
    if (start > size || offset > size - start || bytes > size - start - offset) {
      return Bad(
          "tensor '{}': {} bytes at offset {} of the data (which begins at {}) reach beyond the end of the file ({} "
          "bytes)",
          tensor.name, bytes, offset, start, size);
    }
    tensor.data = file_.bytes_.subspan(start + offset, bytes);
  }
  return absl::OkStatus();
}

}  // namespace orrery::model
