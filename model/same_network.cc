// SPDX-License-Identifier: Apache-2.0
#include "model/same_network.h"

#include <algorithm>
#include <filesystem>
#include <string>

#include "base/paths.h"

namespace orrery::model {
namespace {

bool SameShape(const ModelShape& a, const ModelShape& b) {
  return a.architecture == b.architecture && a.layers == b.layers && a.width == b.width &&
         a.feed_forward == b.feed_forward && a.vocabulary == b.vocabulary && a.context_length == b.context_length &&
         a.attention.heads == b.attention.heads && a.attention.kv_heads == b.attention.kv_heads &&
         a.attention.head_dim == b.attention.head_dim && a.pairs == b.pairs && a.rope_base == b.rope_base &&
         a.rope.factors == b.rope.factors && a.rope.long_factors == b.rope.long_factors &&
         a.rope.original_context == b.rope.original_context && a.rope.magnitude == b.rope.magnitude &&
         a.window == b.window && a.norm_epsilon == b.norm_epsilon && a.qkv_bias == b.qkv_bias && a.fused == b.fused;
}

bool SameTensor(const ModelSource& one, const ModelSource& other, const std::string& name) {
  const GgufTensor* a = one.Find(name);
  const GgufTensor* b = other.Find(name);
  if (a == nullptr || b == nullptr) return a == b;
  return a->type == b->type && a->shape == b->shape && std::ranges::equal(a->data, b->data);
}

bool SameFile(const ModelSource& one, const ModelSource& other, const char* name) {
  const auto a = one.path() / name, b = other.path() / name;
  if (!std::filesystem::exists(a) || !std::filesystem::exists(b))
    return std::filesystem::exists(a) == std::filesystem::exists(b);
  const auto first = ReadFile(a), second = ReadFile(b);
  return first.ok() && second.ok() && *first == *second;
}

}  // namespace

bool SameNetwork(const ModelSource& one, const ModelShape& shape, const ModelSource& other,
                 const ModelShape& other_shape) {
  if (!std::filesystem::is_directory(one.path()) || !std::filesystem::is_directory(other.path())) return false;
  if (!SameShape(shape, other_shape)) return false;
  for (const char* file : {"tokenizer.json", "tokenizer_config.json"}) {
    if (!SameFile(one, other, file)) return false;
  }
  for (const char* name : {"output_norm.weight", "token_embd.weight"}) {
    if (!SameTensor(one, other, name)) return false;
  }
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (const char* part : {"attn_norm.weight", "ffn_norm.weight", "attn_q.weight", "attn_k.weight", "attn_v.weight",
                             "attn_qkv.weight", "attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_output.weight",
                             "ffn_gate.weight", "ffn_up.weight", "ffn_down.weight"}) {
      if (!SameTensor(one, other, fmt::format("blk.{}.{}", layer, part))) return false;
    }
  }
  return true;
}

}  // namespace orrery::model
