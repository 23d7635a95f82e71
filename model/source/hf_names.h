// SPDX-License-Identifier: Apache-2.0
#pragma once

// The names of a Hugging Face folder's tensors beside those of GGUF.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/source/shape.h"

namespace orrery::model {

// "blk.3.attn_q.weight" → "model.layers.3.self_attn.q_proj.weight"; `fused` as in ModelShape. Empty for a name that has
// no counterpart.
std::string HfTensorName(std::string_view gguf_name, bool fused);

// The row of a GGUF file's tensor that a folder has at `row`: GGUF's llama files pair the rows of queries and keys by
// neighbours, folders by halves of a head.
uint64_t HfSourceRow(const ModelShape& shape, std::string_view gguf_name, uint64_t row);

// The output matrix of a reward model: one row.
inline constexpr std::string_view kScoreTensor = "score.weight";

// The GGUF names of all tensors that a model of this shape has, in the order in which they are written.
std::vector<std::string> TensorNames(const ModelShape& shape, bool tied);

}  // namespace orrery::model
