// SPDX-License-Identifier: Apache-2.0
#pragma once

// A safetensors file mapped into memory, or the shards that an index file joins, checked before anything is believed.
//
// Opening checks the header's length and JSON, every dtype (F32, F16, BF16), every shape against its bytes without
// overflow, and that the tensors follow each other from the header to the end of the file without a gap or an overlap.
// Errors name the file, the tensor and what was expected.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "model/formats/gguf.h"
#include "model/formats/mapped_file.h"

namespace orrery::model {

class SafetensorsFile {
 public:
  static StatusOr<std::unique_ptr<SafetensorsFile>> Open(const std::filesystem::path& path);
  // The same over bytes in memory, which must outlive the object; `name` stands for the path in errors.
  static StatusOr<std::unique_ptr<SafetensorsFile>> FromBytes(std::span<const uint8_t> bytes,
                                                              const std::filesystem::path& name);

  const std::filesystem::path& path() const { return path_; }
  // In the order of their data. As in a GGUF file, shape[0] is the contiguous dimension.
  const std::vector<GgufTensor>& tensors() const { return tensors_; }

 private:
  Status Parse(std::span<const uint8_t> bytes);

  std::filesystem::path path_;
  MappedFile mapped_;
  std::vector<GgufTensor> tensors_;
};

// The tensors of a folder: model.safetensors, or the shards of model.safetensors.index.json.
class SafetensorsFolder {
 public:
  static StatusOr<SafetensorsFolder> Open(const std::filesystem::path& folder);

  // nullptr if there is none.
  const GgufTensor* Find(std::string_view name) const;
  // The file that holds a tensor; the folder's first file if there is no such tensor.
  const std::filesystem::path& FileOf(std::string_view name) const;
  const std::vector<std::unique_ptr<SafetensorsFile>>& files() const { return files_; }

 private:
  struct Place {
    size_t file, tensor;
  };

  Status Add(const std::filesystem::path& path);
  Status OpenShards(const std::filesystem::path& index);

  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, Place, std::less<>> places_;
};

}  // namespace orrery::model
