// SPDX-License-Identifier: Apache-2.0
#pragma once

// A transformer's dimensions and its weights, read from a GGUF file and packed for a back end.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "kernels/kernels.h"
#include "kernels/thread_pool.h"
#include "model/gguf.h"

namespace orrery::model {

struct ModelShape {
  std::string architecture;  // "qwen2" or "llama"
  int layers = 0;
  int width = 0;
  int feed_forward = 0;
  int vocabulary = 0;
  int context_length = 0;
  kernels::AttentionShape attention;
  kernels::RopePairs pairs = kernels::RopePairs::kHalves;
  float rope_base = 0;
  float norm_epsilon = 0;
  bool qkv_bias = false;

  int query_width() const { return attention.heads * attention.head_dim; }
  int key_width() const { return attention.kv_heads * attention.head_dim; }
};

// Errors name the file and the key or tensor.
StatusOr<ModelShape> ReadShape(const GgufFile& file);

// Rows of queries, keys and values follow each other in `qkv`; in `gate_up` runs of kGateRun gate rows and of as many
// up rows take turns, so that a block of the product's columns holds what SwiGLU needs together.
inline constexpr int kGateRun = 16;

struct LayerWeights {
  std::vector<float> attention_norm, feed_forward_norm;
  std::vector<float> qkv_bias;  // empty if the architecture has none
  std::unique_ptr<kernels::Matrix> qkv, output, gate_up, down;
};

struct Weights {
  ModelShape shape;
  std::vector<LayerWeights> layers;
  std::vector<float> final_norm;
  std::unique_ptr<kernels::Matrix> head;
  const GgufTensor* embedding = nullptr;  // rows are read from the file, which must outlive the weights
};

uint64_t WeightBytes(const ModelShape& shape, const kernels::Backend& backend);
StatusOr<Weights> LoadWeights(const GgufFile& file, const ModelShape& shape, const kernels::Backend& backend,
                              kernels::ThreadPool& pool);

}  // namespace orrery::model
