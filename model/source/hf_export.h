// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes a model as a Hugging Face folder that transformers loads: config.json, generation_config.json, tokenizer.json,
// tokenizer_config.json (with the chat template) and safetensors.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace orrery::model {

// A model whose weights are not those of its files: GGUF's names of tensors to float32 values in the files' order of
// rows.
struct ReplacedWeights {
  std::function<const float*(std::string_view name)> values;
  bool tied = false;  // the table of embeddings is the output matrix too
  // Above 0: a reward model's, whose one row of outputs is "score.weight" (ModelShape::score_scale).
  double score_scale = 0;
};

struct ExportOptions {
  bool bfloat16 = false;                  // else float32, which holds every quantised weight exactly as it is read
  uint64_t shard_bytes = 5'000'000'000u;  // a file's data at most; more than one file come with an index
  const ReplacedWeights* weights = nullptr;
  std::vector<std::string> new_tokens = {};  // texts that become tokens of their own (model/source/new_tokens.h)
};

// `model` is a GGUF file with a byte-level tokenizer, or a folder (whose weights are written anew, and whose other
// files are copied). The folder `out`, which must not exist, appears only when it is whole; what was begun beside it is
// removed on an error, and may be left as OUT.partial-PID when the process is killed.
Status ExportHfFolder(const std::filesystem::path& model, const std::filesystem::path& out,
                      const ExportOptions& options = {});

}  // namespace orrery::model
