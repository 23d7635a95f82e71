// SPDX-License-Identifier: Apache-2.0
#pragma once

// A model as it lies on disk, a GGUF file or a Hugging Face folder, behind one view: shape, tokenizer, chat template,
// and tensors by their names in GGUF.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "model/formats/gguf.h"
#include "model/source/shape.h"
#include "model/tokenizer/tokenizer.h"

namespace orrery::model {

class ModelSource {
 public:
  // Opening checks the files' heads; errors name the file and the key or tensor.
  static StatusOr<std::unique_ptr<ModelSource>> Open(const std::filesystem::path& path);
  virtual ~ModelSource() = default;

  virtual const std::filesystem::path& path() const = 0;
  virtual StatusOr<ModelShape> Shape() const = 0;
  virtual StatusOr<std::unique_ptr<Tokenizer>> ReadTokenizer() const = 0;
  // The Jinja text in which the publisher writes turns; empty if there is none.
  virtual StatusOr<std::string> ChatTemplate() const = 0;

  // By its name in GGUF ("blk.0.attn_q.weight"); nullptr if there is none. Lives as long as the source.
  virtual const GgufTensor* Find(std::string_view name) const = 0;
  // "FILE: tensor 'NAME'" as this source calls it, for errors.
  virtual std::string Describe(std::string_view name) const = 0;
};

std::unique_ptr<ModelSource> FromGguf(std::unique_ptr<GgufFile> file);
StatusOr<std::unique_ptr<ModelSource>> OpenHfFolder(const std::filesystem::path& folder);

// SHA-256 over all that the model's results depend on: the file, or those of a folder's files that are read.
StatusOr<std::string> ModelDigest(const std::filesystem::path& path);

}  // namespace orrery::model
