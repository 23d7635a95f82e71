// SPDX-License-Identifier: Apache-2.0
#pragma once

// A transformer's weights, read from a model's files and packed for a back end.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "kernels/kernels.h"
#include "kernels/thread_pool.h"
#include "model/model_source.h"
#include "model/shape.h"

namespace orrery::model {

// Rows of queries, keys and values follow each other in `qkv`; in `gate_up` runs of kGateRun gate rows and of as many
// up rows take turns.
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
  const GgufTensor* embedding = nullptr;  // rows are read from the source, which must outlive the weights
};

uint64_t WeightBytes(const ModelShape& shape, const kernels::Backend& backend);
// Errors name the file and the tensor: one that is missing, of another shape, or that holds a NaN or an infinity.
StatusOr<Weights> LoadWeights(const ModelSource& source, const ModelShape& shape, const kernels::Backend& backend,
                              kernels::ThreadPool& pool);

}  // namespace orrery::model
