// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes low-rank adapters by themselves, as PEFT's library reads them beside the base model: adapter_config.json and
// adapter_model.safetensors, float32.

#include <filesystem>
#include <string>

#include "base/status.h"
#include "model/source/shape.h"
#include "model/training/adapter.h"

namespace orrery::model {

// `shape` is the trained model's, `base` what the base model is called. A reward model's row of outputs goes with its
// adapters. The folder is made; files in it are replaced.
Status ExportAdapter(const Adapter& adapter, const ModelShape& shape, const std::string& base,
                     const std::filesystem::path& folder);

}  // namespace orrery::model
