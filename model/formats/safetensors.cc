// SPDX-License-Identifier: Apache-2.0
#include "model/formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/paths.h"

namespace orrery::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr uint64_t kLongestHeader = 100'000'000;  // the format's own limit
constexpr size_t kMostDimensions = 8;

std::optional<GgufType> TypeOf(std::string_view dtype) {
  if (dtype == "F32") return GgufType::kF32;
  if (dtype == "F16") return GgufType::kF16;
  if (dtype == "BF16") return GgufType::kBF16;
  return std::nullopt;
}

struct Described {
  GgufTensor tensor;
  uint64_t begin, end;  // in the data
};

// One entry of the header.
StatusOr<Described> Describe(const std::string& file, const std::string& name, const Json& entry) {
  const auto bad = [&](const auto& what) { return InvalidInput("{}: tensor '{}': {}", file, name, what); };
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string())
    return bad("an object with dtype, shape and data_offsets was expected");
  Described described{{name, GgufType::kF32, {}, {}}, 0, 0};
  const auto type = TypeOf(entry["dtype"].get_ref<const std::string&>());
  if (!type) return bad(fmt::format("dtype '{}'; F32, F16 or BF16 was expected", entry["dtype"].get<std::string>()));
  described.tensor.type = *type;
  const Json shape = entry.value("shape", Json()), offsets = entry.value("data_offsets", Json());
  if (!shape.is_array() || shape.size() > kMostDimensions)
    return bad(fmt::format("key 'shape': a list of at most {} sizes was expected", kMostDimensions));
  uint64_t bytes = Block(*type).bytes;
  for (const Json& size : shape) {
    if (!size.is_number_unsigned()) return bad("key 'shape': whole numbers not below 0 were expected");
    if (__builtin_mul_overflow(bytes, size.get<uint64_t>(), &bytes)) return bad("its shape overflows 64 bits");
    described.tensor.shape.insert(described.tensor.shape.begin(), size.get<uint64_t>());
  }
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    return bad("key 'data_offsets': two whole numbers not below 0 were expected");
  }
  described.begin = offsets[0].get<uint64_t>(), described.end = offsets[1].get<uint64_t>();
  if (described.end < described.begin || described.end - described.begin != bytes) {
    return bad(fmt::format("data_offsets {} to {}; {} bytes were expected for its shape and dtype", described.begin,
                           described.end, bytes));
  }
  return described;
}

}  // namespace

Status SafetensorsFile::Parse(std::span<const uint8_t> bytes) {
  const std::string file = path_.string();
  uint64_t header = 0;
  if (bytes.size() < sizeof header)
    return InvalidInput("{}: {} bytes; a safetensors file was expected", file, bytes.size());
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header > kLongestHeader || header > bytes.size() - sizeof header) {
    return InvalidInput("{}: a header of {} bytes, but {} follow and {} is the most; cut off, or no safetensors file",
                        file, header, bytes.size() - sizeof header, kLongestHeader);
  }
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + sizeof header;
  const Json json = Json::parse(text, text + header, nullptr, false);
  if (!json.is_object()) return InvalidInput("{}: its header is no JSON object", file);
  std::vector<Described> described;
  for (const auto& [name, entry] : json.items()) {
    if (name == "__metadata__") continue;
    ORRERY_ASSIGN_OR_RETURN(Described one, Describe(file, name, entry));
    described.push_back(std::move(one));
  }
  std::stable_sort(described.begin(), described.end(), [](const Described& a, const Described& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  const std::span<const uint8_t> data = bytes.subspan(sizeof header + header);
  uint64_t at = 0;
  for (Described& one : described) {
    if (one.begin != at) {
      return InvalidInput("{}: tensor '{}' begins at offset {}, {} {}; tensors must follow each other", file,
                          one.tensor.name, one.begin,
                          one.begin < at ? "inside the one before, which ends at" : "after a gap from", at);
    }
    if (one.end > data.size()) {
      return InvalidInput("{}: tensor '{}' ends at offset {} of the data, which has {} bytes: the file is cut off",
                          file, one.tensor.name, one.end, data.size());
    }
    one.tensor.data = data.subspan(one.begin, one.end - one.begin);
    at = one.end;
    tensors_.push_back(std::move(one.tensor));
  }
  if (at != data.size()) return InvalidInput("{}: {} bytes of data belong to no tensor", file, data.size() - at);
  return absl::OkStatus();
}

StatusOr<std::unique_ptr<SafetensorsFile>> SafetensorsFile::Open(const fs::path& path) {
  std::unique_ptr<SafetensorsFile> file(new SafetensorsFile);
  file->path_ = path;
  ORRERY_ASSIGN_OR_RETURN(file->mapped_, MappedFile::Open(path, "a safetensors file"));
  ORRERY_RETURN_IF_ERROR(file->Parse(file->mapped_.bytes()));
  return file;
}

StatusOr<std::unique_ptr<SafetensorsFile>> SafetensorsFile::FromBytes(std::span<const uint8_t> bytes,
                                                                      const fs::path& name) {
  std::unique_ptr<SafetensorsFile> file(new SafetensorsFile);
  file->path_ = name;
  ORRERY_RETURN_IF_ERROR(file->Parse(bytes));
  return file;
}

Status SafetensorsFolder::Add(const fs::path& path) {
  ORRERY_ASSIGN_OR_RETURN(auto file, SafetensorsFile::Open(path));
  for (size_t i = 0; i < file->tensors().size(); ++i) {
    const std::string& name = file->tensors()[i].name;
    if (!places_.emplace(name, Place{files_.size(), i}).second)
      return InvalidInput("{}: tensor '{}' is in {} as well", path.string(), name, FileOf(name).string());
  }
  files_.push_back(std::move(file));
  return absl::OkStatus();
}

Status SafetensorsFolder::OpenShards(const fs::path& index) {
  ORRERY_ASSIGN_OR_RETURN(const std::string text, ReadFile(index));
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
    return InvalidInput("{}: key 'weight_map' is missing; an object of tensor names and files was expected",
                        index.string());
  std::set<std::string> names;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || name.find('/') != std::string::npos)
      return InvalidInput("{}: tensor '{}': the name of a file in the same folder was expected", index.string(),
                          tensor);
    names.insert(name);
  }
  for (const std::string& name : names) {
    std::error_code error;
    if (!fs::exists(index.parent_path() / name, error))
      return NotFound("{}: shard '{}' is missing from the folder", index.string(), name);
    ORRERY_RETURN_IF_ERROR(Add(index.parent_path() / name));
  }
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (Find(tensor) == nullptr || FileOf(tensor).filename() != file.get<std::string>())
      return InvalidInput("{}: tensor '{}' is not in '{}'", index.string(), tensor, file.get<std::string>());
  }
  return absl::OkStatus();
}

StatusOr<SafetensorsFolder> SafetensorsFolder::Open(const fs::path& folder) {
  SafetensorsFolder result;
  const fs::path whole = folder / "model.safetensors", index = folder / "model.safetensors.index.json";
  std::error_code error;
  if (fs::exists(index, error)) {
    ORRERY_RETURN_IF_ERROR(result.OpenShards(index));
  } else if (fs::exists(whole, error)) {
    ORRERY_RETURN_IF_ERROR(result.Add(whole));
  } else {
    return NotFound("{}: neither model.safetensors nor model.safetensors.index.json is there", folder.string());
  }
  if (result.files_.empty()) return InvalidInput("{}: key 'weight_map' names no file", index.string());
  return result;
}

const GgufTensor* SafetensorsFolder::Find(std::string_view name) const {
  const auto found = places_.find(name);
  return found == places_.end() ? nullptr : &files_[found->second.file]->tensors()[found->second.tensor];
}

const fs::path& SafetensorsFolder::FileOf(std::string_view name) const {
  const auto found = places_.find(name);
  return files_[found == places_.end() ? 0 : found->second.file]->path();
}

}  // namespace orrery::model
