// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the readers of a Hugging Face folder share; the folder itself is opened by OpenHfFolder (model_source.h).

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "base/status.h"

namespace orrery::model {

// Errors name the file.
StatusOr<nlohmann::json> ReadJsonObject(const std::filesystem::path& path);

}  // namespace orrery::model
