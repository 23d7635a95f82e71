// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether a reward model is another model but for its row of outputs, as a linear probe leaves it (docs/training.md):
// then one network can serve both.

#include "model/source/model_source.h"
#include "model/source/shape.h"

namespace orrery::model {

// The same layers, embedding, norms and tokenizer, byte by byte. Both are Hugging Face folders, else false.
bool SameNetwork(const ModelSource& one, const ModelShape& shape, const ModelSource& other,
                 const ModelShape& other_shape);

}  // namespace orrery::model
