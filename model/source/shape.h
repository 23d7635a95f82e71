// SPDX-License-Identifier: Apache-2.0
#pragma once

// A transformer's dimensions and how it treats positions: what is the same whichever format it was read from.

#include <string>
#include <vector>

#include "base/status.h"
#include "kernels/kernels.h"

namespace orrery::model {

// What a model does to RoPE's frequencies rope_base^(-i / (head_dim / 2)) so that it reads longer texts.
struct RopeScaling {
  std::vector<float> factors;       // [head_dim / 2]: each frequency is divided by its factor; empty: by nothing
  std::vector<float> long_factors;  // in their place where the context is longer than original_context; empty: never
  int original_context = 0;         // tokens
  double magnitude = 1;             // what turned queries and keys are multiplied by
};

// Gate and up rows take turns in runs of so many, so that a block of the product's columns holds what SwiGLU needs
// together.
inline constexpr int kGateRun = 16;

struct ModelShape {
  std::string architecture;  // "qwen2", "llama" (Mistral too) or "phi3"
  int layers = 0;
  int width = 0;
  int feed_forward = 0;
  int vocabulary = 0;
  int context_length = 0;
  kernels::AttentionShape attention;
  kernels::RopePairs pairs = kernels::RopePairs::kHalves;
  float rope_base = 0;
  RopeScaling rope;
  int window = 0;  // tokens that a token sees, itself included; 0: all before it
  float norm_epsilon = 0;
  bool qkv_bias = false;
  bool fused = false;  // queries, keys and values are one tensor, gate and up another
  // Above 0: a reward model. Its output matrix has one row, and the score of a text is tanh(that output after its last
  // token / score_scale) (rStar-Math 3.3; METHODS A4).
  double score_scale = 0;

  bool scores() const { return score_scale > 0; }
  int outputs() const { return scores() ? 1 : vocabulary; }  // rows of the output matrix

  int query_width() const { return attention.heads * attention.head_dim; }
  int key_width() const { return attention.kv_heads * attention.head_dim; }

  // Radians a token of pair i, for the context length as it stands: with LongRoPE the model of a context beyond
  // rope.original_context is another one than that of a shorter context.
  float RopeFrequency(int i) const;
};

// Consistent dimensions that the kernels can run; errors begin with `file`. `rotated` of a head's dimensions turn.
Status CheckShape(const ModelShape& shape, int rotated, const std::string& file);

// Llama 3's factors: none for wavelengths below original_context / high, `factor` above original_context / low, and in
// between a blend.
struct Llama3Scaling {
  double factor, low, high;
  int original_context;
};
std::vector<float> Llama3Factors(const Llama3Scaling& scaling, float rope_base, int head_dim);

// LongRoPE's magnitude for a context stretched by `factor`.
double LongRopeMagnitude(double factor, int original_context);

}  // namespace orrery::model
