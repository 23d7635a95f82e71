// SPDX-License-Identifier: Apache-2.0
#pragma once

// The names of a Hugging Face folder's tensors beside those of GGUF.

#include <string>
#include <string_view>
#include <vector>

#include "model/shape.h"

namespace orrery::model {

// "blk.3.attn_q.weight" → "model.layers.3.self_attn.q_proj.weight"; `fused` as in ModelShape. Empty for a name that has
// no counterpart.
std::string HfTensorName(std::string_view gguf_name, bool fused);

// The output matrix of a reward model: one row.
inline constexpr std::string_view kScoreTensor = "score.weight";

// The GGUF names of all tensors that a model of this shape has, in the order in which they are written.
std::vector<std::string> TensorNames(const ModelShape& shape, bool tied);

}  // namespace orrery::model
