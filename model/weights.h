// SPDX-License-Identifier: Apache-2.0
#pragma once

// A transformer's weights, read from a model's files and packed for a device.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "kernels/device.h"
#include "kernels/kernels.h"
#include "kernels/thread_pool.h"
#include "model/source/model_source.h"
#include "model/source/shape.h"

namespace orrery::model {

// Rows of queries, keys and values follow each other in `qkv`; in `gate_up` runs of kGateRun gate rows and of as many
// up rows take turns.
struct LayerWeights {
  std::unique_ptr<kernels::Buffer> attention_norm, feed_forward_norm;
  std::unique_ptr<kernels::Buffer> qkv_bias;  // null if the architecture has none
  std::unique_ptr<kernels::WeightMatrix> qkv, output, gate_up, down;
};

struct Weights {
  ModelShape shape;
  std::vector<LayerWeights> layers;
  std::unique_ptr<kernels::Buffer> final_norm;
  std::unique_ptr<kernels::WeightMatrix> head;   // logits of the vocabulary; null in a reward model
  std::unique_ptr<kernels::WeightMatrix> score;  // a reward model's one row; null in a policy that has none
  std::unique_ptr<kernels::RowTable> embedding;  // may read from the source, which must outlive the weights
};

uint64_t WeightBytes(const ModelShape& shape, const kernels::Device& device);
// Errors name the file and the tensor: one that is missing, of another shape, or that holds a NaN or an infinity.
StatusOr<Weights> LoadWeights(const ModelSource& source, const ModelShape& shape, kernels::Device& device,
                              kernels::ThreadPool& pool);
// A reward model's row of outputs alone.
StatusOr<std::unique_ptr<kernels::WeightMatrix>> LoadScoreRow(const ModelSource& source, const ModelShape& shape,
                                                              kernels::Device& device, kernels::ThreadPool& pool);

}  // namespace orrery::model
