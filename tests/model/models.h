// SPDX-License-Identifier: Apache-2.0
#pragma once

// The registry's models for tests: fetched where they are missing, and an error, never a skip, where that fails.

#include <memory>
#include <string_view>

#include "base/status.h"
#include "model/formats/gguf.h"
#include "model/registry/registry.h"

namespace orrery::model {

inline constexpr std::string_view kQwen = "qwen2.5-coder-0.5b-instruct", kSmolLm = "smollm2-135m-instruct";

inline StatusOr<std::unique_ptr<GgufFile>> OpenModel(std::string_view name) {
  ORRERY_ASSIGN_OR_RETURN(const Registry registry, Registry::Load());
  ORRERY_ASSIGN_OR_RETURN(const std::filesystem::path path, LocateModel(registry, name));
  return GgufFile::Open(path);
}

}  // namespace orrery::model
