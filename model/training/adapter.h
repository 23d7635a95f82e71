// SPDX-License-Identifier: Apache-2.0
#pragma once

// Low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685): beside each frozen matrix W [rows × width] of a layer
// stand A [rank × width] and B [rows × rank], and the network computes with W + (alpha / rank) · B·A. Only A and B are
// trained, and a reward model's row of outputs, which is new.
//
// Gradients of A and B follow from the whole gradient of W: the arithmetic of a step is that of full training and a
// little more; the memory is that of weights and gradients, without the moments.

#include <cstdint>
#include <memory>
#include <vector>

#include "model/training/network.h"
#include "model/training/parameters.h"

namespace orrery::model {

struct AdapterOptions {
  int rank = 16;
  double alpha = 32;
  uint64_t seed = 1;  // A is drawn uniformly within ±1/√width; B begins with zeros
};

// Its tensors are "NAME.lora_a" and "NAME.lora_b" for each matrix NAME of a layer.
class Adapter : public Trainables {
 public:
  // Both must outlive it.
  Adapter(const Parameters& base, const kernels::TrainingOps& ops, const AdapterOptions& options);
  ~Adapter();

  const AdapterOptions& options() const { return options_; }

  // Takes its own values as they are now; after each step of the optimiser.
  void Refresh();

  // Makes its gradients of the base's.
  void GatherGradients();

  // The base's values [offset, offset + count) and what the adapters add to them; until the next call.
  const float* Values(size_t offset, size_t count);

 private:
  // One adapted matrix, by the places of its tensors.
  struct Pair {
    const ParameterTensor* matrix;
    size_t a, b;
    std::unique_ptr<kernels::TrainingWeight> weight;  // A as products read it
  };

  kernels::RowsBuffer RowsOfB(const Pair& pair) const;

  const Parameters& base_;
  const kernels::TrainingOps& ops_;
  AdapterOptions options_;
  float scale_;
  std::vector<Pair> pairs_;
  size_t score_ = 0;  // place of a reward model's row of outputs
  FloatArray merged_, delta_;
};

// Puts what the adapters add into the base for good.
void Merge(Adapter& adapter, Parameters& base);

}  // namespace orrery::model
