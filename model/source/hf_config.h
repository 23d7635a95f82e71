// SPDX-License-Identifier: Apache-2.0
#pragma once

// A model's shape from the config.json of a Hugging Face folder: Qwen2, Llama, Mistral and Phi-3.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/status.h"
#include "model/source/shape.h"

namespace orrery::model {

struct HfConfig {
  ModelShape shape;
  std::optional<bool> tied;  // whether the head is the embedding; empty where the file does not say
};

// `file` stands before errors, which name the key and what was expected.
StatusOr<HfConfig> ReadHfConfig(const nlohmann::json& json, const std::string& file);

}  // namespace orrery::model
