// SPDX-License-Identifier: Apache-2.0
#pragma once

// A transformer's dimensions and its weights, read from a GGUF file and packed for a device.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "kernels/device.h"
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
  std::unique_ptr<kernels::Buffer> attention_norm, feed_forward_norm;
  std::unique_ptr<kernels::Buffer> qkv_bias;  // null if the architecture has none
  std::unique_ptr<kernels::WeightMatrix> qkv, output, gate_up, down;
};

struct Weights {
  ModelShape shape;
  std::vector<LayerWeights> layers;
  std::unique_ptr<kernels::Buffer> final_norm;
  std::unique_ptr<kernels::WeightMatrix> head;
  std::unique_ptr<kernels::RowTable> embedding;  // may read from the file, which must outlive the weights
};

uint64_t WeightBytes(const ModelShape& shape, const kernels::Device& device);
StatusOr<Weights> LoadWeights(const GgufFile& file, const ModelShape& shape, kernels::Device& device,
                              kernels::ThreadPool& pool);

}  // namespace orrery::model
