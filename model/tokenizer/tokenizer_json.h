// SPDX-License-Identifier: Apache-2.0
#pragma once

// A tokenizer from a Hugging Face folder: tokenizer.json, with tokenizer_config.json, config.json and
// generation_config.json for where texts begin and end.
//
// Read are BPE models with the normalisers (NFC, Prepend, Replace), pre-tokenisers (ByteLevel, Split by Qwen2's or
// Llama 3's expression, Digits, Metaspace), decoders and post-processors of the supported families. Anything else is
// refused by its name.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "model/tokenizer/tokenizer.h"

namespace orrery::model {

StatusOr<std::unique_ptr<Tokenizer>> TokenizerFromFolder(const std::filesystem::path& folder);

// The tokenizer.json alone, as text; `name` stands for the path in errors. Of the special tokens only those that end a
// turn in some family end a text.
StatusOr<std::unique_ptr<Tokenizer>> TokenizerFromJson(std::string_view text, const std::string& name);

}  // namespace orrery::model
