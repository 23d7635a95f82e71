// SPDX-License-Identifier: Apache-2.0
#pragma once

// Prints what a model's files hold, for //runners:model.

#include <filesystem>

#include "base/status.h"

namespace orrery {

// A GGUF file's keys, tokenizer, chat format, tensor types and memory (each tensor too, if asked); of a Hugging Face
// folder its dimensions, tokenizer and chat format.
Status InspectModel(const std::filesystem::path& path, bool each_tensor);

}  // namespace orrery
