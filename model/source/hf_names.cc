// SPDX-License-Identifier: Apache-2.0
#include "model/source/hf_names.h"

namespace orrery::model {
namespace {

struct Pair {
  std::string_view gguf, hf;
};

constexpr Pair kWhole[] = {{"token_embd.weight", "model.embed_tokens.weight"},
                           {"output_norm.weight", "model.norm.weight"},
                           {"output.weight", "lm_head.weight"},
                           {kScoreTensor, kScoreTensor}};

constexpr Pair kInLayer[] = {{"attn_norm", "input_layernorm"},    {"ffn_norm", "post_attention_layernorm"},
                             {"attn_q", "self_attn.q_proj"},      {"attn_k", "self_attn.k_proj"},
                             {"attn_v", "self_attn.v_proj"},      {"attn_qkv", "self_attn.qkv_proj"},
                             {"attn_output", "self_attn.o_proj"}, {"ffn_gate", "mlp.gate_proj"},
                             {"ffn_up", "mlp.up_proj"},           {"ffn_down", "mlp.down_proj"}};

constexpr std::string_view kLayer = "blk.";

}  // namespace

std::string HfTensorName(std::string_view gguf_name, bool fused) {
  for (const auto& [gguf, hf] : kWhole) {
    if (gguf == gguf_name) return std::string(hf);
  }
  const size_t number_end = gguf_name.find('.', kLayer.size()), part_end = gguf_name.rfind('.');
  if (!gguf_name.starts_with(kLayer) || number_end == std::string_view::npos || part_end <= number_end) return {};
  const std::string_view number = gguf_name.substr(kLayer.size(), number_end - kLayer.size()),
                         part = gguf_name.substr(number_end + 1, part_end - number_end - 1);
  for (const auto& [gguf, hf] : kInLayer) {
    if (gguf != part) continue;
    const std::string_view name = fused && part == "ffn_up" ? "mlp.gate_up_proj" : hf;
    return fmt::format("model.layers.{}.{}{}", number, name, gguf_name.substr(part_end));
  }
  return {};
}

uint64_t HfSourceRow(const ModelShape& shape, std::string_view gguf_name, uint64_t row) {
  const bool paired = shape.pairs == kernels::RopePairs::kInterleaved &&
                      (gguf_name.ends_with(".attn_q.weight") || gguf_name.ends_with(".attn_k.weight"));
  if (!paired) return row;
  const uint64_t dim = shape.attention.head_dim, i = row % dim;
  return row - i + 2 * (i % (dim / 2)) + i / (dim / 2);
}

std::vector<std::string> TensorNames(const ModelShape& shape, bool tied) {
  std::vector<std::string> names = {"token_embd.weight"};
  for (int i = 0; i < shape.layers; ++i) {
    const auto add = [&](std::string_view part, std::string_view kind) {
      names.push_back(fmt::format("blk.{}.{}.{}", i, part, kind));
    };
    for (const std::string_view part : {"attn_norm", "ffn_norm", "attn_output", "ffn_up", "ffn_down"})
      add(part, "weight");
    if (shape.fused) {
      add("attn_qkv", "weight");
      continue;
    }
    add("ffn_gate", "weight");
    for (const std::string_view part : {"attn_q", "attn_k", "attn_v"}) {
      add(part, "weight");
      if (shape.qkv_bias) add(part, "bias");
    }
  }
  names.emplace_back("output_norm.weight");
  if (shape.scores()) {
    names.emplace_back(kScoreTensor);
  } else if (!tied) {
    names.emplace_back("output.weight");
  }
  return names;
}

}  // namespace orrery::model
