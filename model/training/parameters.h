// SPDX-License-Identifier: Apache-2.0
#pragma once

// A model's weights while they are trained: float32 master values, gradients and AdamW's moments, each one flat array
// in the same order, and where every tensor lies in them.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "kernels/training.h"
#include "model/source/model_source.h"
#include "model/source/shape.h"

namespace orrery::model {

// A tensor by its name in GGUF, row-major [rows][width].
struct ParameterTensor {
  std::string name;
  uint64_t rows, width;
  size_t offset;
  bool decays;  // matrices decay; norms and biases do not
};

// Zeros at first; the memory must outlive it.
class FloatArray {
 public:
  FloatArray() = default;
  explicit FloatArray(size_t count, kernels::TrainingMemory& memory = kernels::TrainingMemory::Host());
  ~FloatArray();
  FloatArray(FloatArray&& other) noexcept;
  FloatArray& operator=(FloatArray&& other) noexcept;

  std::span<float> all() const { return {data_, count_}; }
  float* at(size_t offset) const { return data_ + offset; }

 private:
  kernels::TrainingMemory* memory_ = nullptr;
  float* data_ = nullptr;
  size_t count_ = 0;
};

// Whether a model's output matrix is its table of embeddings: the file has one, or keeps both only to round them
// differently.
bool TiedByPublisher(const ModelSource& source, const ModelShape& shape);

struct LayerOffsets {
  size_t attention_norm, qkv, qkv_bias, output, feed_forward_norm, gate_up, down;
};

// What an optimiser moves: tensors in flat arrays, which all have the same places.
class Trainables {
 public:
  const std::vector<ParameterTensor>& tensors() const { return tensors_; }
  size_t count() const { return count_; }

  FloatArray values, gradients, first_moments, second_moments;

 protected:
  // Where a further tensor lies.
  size_t Add(std::string name, uint64_t rows, uint64_t width);

 private:
  std::vector<ParameterTensor> tensors_;
  size_t count_ = 0;
};

class Parameters : public Trainables {
 public:
  // Queries, keys and values follow each other, gates and ups too, so that each is one product. `tied`: the table of
  // embeddings is the output matrix too; a file that has both gives the output matrix. Where `shape` is a reward
  // model's and the source none, the row of outputs is drawn by `seed`, of the spread 0.02. Errors name the file and
  // the tensor: missing, of another shape, or not finite. The values lie in `memory`.
  static StatusOr<Parameters> Read(const ModelSource& source, const ModelShape& shape, bool tied, uint64_t seed = 1,
                                   kernels::TrainingMemory& memory = kernels::TrainingMemory::Host());

  // Random matrices that keep the size of their input, gains of one, biases of zero: for tests and benchmarks that need
  // a shape and no file.
  static Parameters Random(const ModelShape& shape, bool tied, uint64_t seed,
                           kernels::TrainingMemory& memory = kernels::TrainingMemory::Host());

  const LayerOffsets& layer(int i) const { return layers_[i]; }
  size_t final_norm() const { return final_norm_; }
  size_t embedding() const { return embedding_; }
  size_t head() const { return head_; }  // = embedding() where tied
  bool tied() const { return head_ == embedding_; }

 private:
  void Plan(const ModelShape& shape, bool tied);
  void DrawScore(uint64_t width, uint64_t seed);

  std::vector<LayerOffsets> layers_;
  size_t final_norm_ = 0, embedding_ = 0, head_ = 0;
};

}  // namespace orrery::model
