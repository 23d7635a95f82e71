// SPDX-License-Identifier: Apache-2.0
#pragma once

// A GGUF file's tokenizer as the files of a Hugging Face folder.

#include <nlohmann/json_fwd.hpp>

#include "base/status.h"
#include "model/formats/gguf.h"

namespace orrery::model {

// tokenizer.json of a byte-level tokenizer; SentencePiece's are refused.
StatusOr<nlohmann::json> TokenizerJson(const GgufFile& file);
// tokenizer_config.json, and generation_config.json with every token that ends a text.
StatusOr<nlohmann::json> TokenizerConfig(const GgufFile& file);
StatusOr<nlohmann::json> GenerationConfig(const GgufFile& file);

}  // namespace orrery::model
