// SPDX-License-Identifier: Apache-2.0
#pragma once

// A model's shape from a GGUF file's keys.

#include "base/status.h"
#include "model/formats/gguf.h"
#include "model/source/shape.h"

namespace orrery::model {

// Errors name the file and the key or tensor.
StatusOr<ModelShape> ReadShape(const GgufFile& file);

}  // namespace orrery::model
