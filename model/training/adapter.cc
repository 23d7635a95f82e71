// SPDX-License-Identifier: Apache-2.0
#include "model/training/adapter.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "model/source/hf_names.h"

namespace orrery::model {
namespace {

// The matrices of layers: not the table of embeddings, nor the output matrix.
bool IsAdapted(const ParameterTensor& tensor) { return tensor.decays && tensor.name.starts_with("blk."); }

void DrawUniform(uint64_t seed, uint64_t stream, float reach, uint64_t count, float* to) {
  const RandomStream random{seed, stream};
  for (uint64_t i = 0; i < count; ++i)
    to[i] = reach * (2 * random.Uniform(Purpose::kInitialise, static_cast<uint32_t>(i)) - 1);
}

}  // namespace

Adapter::Adapter(const Parameters& base, const kernels::TrainingOps& ops, const AdapterOptions& options)
    : base_(base), ops_(ops), options_(options), scale_(static_cast<float>(options.alpha / options.rank)) {
  const auto rank = static_cast<uint64_t>(options.rank);
  size_t largest = 0;
  for (const ParameterTensor& tensor : base.tensors()) {
    if (tensor.name == kScoreTensor) score_ = Add(tensor.name, tensor.rows, tensor.width);
    if (!IsAdapted(tensor)) continue;
    const size_t a = Add(tensor.name + ".lora_a", rank, tensor.width),
                 b = Add(tensor.name + ".lora_b", tensor.rows, rank);
    pairs_.push_back({&tensor, a, b, ops.NewWeight(options.rank, static_cast<int>(tensor.width))});
    largest = std::max<size_t>(largest, tensor.rows * tensor.width);
  }
  delta_ = FloatArray(largest, ops.memory());
  values = FloatArray(count(), ops.memory());
  gradients = FloatArray(count(), ops.memory());
  for (size_t i = 0; i < pairs_.size(); ++i) {
    const uint64_t width = pairs_[i].matrix->width;
    DrawUniform(options.seed, i + 1, 1 / std::sqrt(static_cast<float>(width)), rank * width, values.at(pairs_[i].a));
  }
  for (const ParameterTensor& tensor : tensors()) {
    if (tensor.name == kScoreTensor) std::copy_n(base.values.at(base.head()), tensor.width, values.at(score_));
  }
  Refresh();
}

Adapter::~Adapter() = default;

void Adapter::Refresh() {
  for (const Pair& pair : pairs_) ops_.SetWeight(*pair.weight, values.at(pair.a));
}

kernels::RowsBuffer Adapter::RowsOfB(const Pair& pair) const {
  const int rows = static_cast<int>(pair.matrix->rows);
  kernels::RowsBuffer b(ops_.type(), rows, options_.rank, ops_.memory());
  ops_.Round(values.at(pair.b), options_.rank, rows, b);
  return b;
}

// With G = dL/dW: dL/dB = s · G·Aᵀ and dL/dA = s · Bᵀ·G.
void Adapter::GatherGradients() {
  ops_.Clear(gradients.all().data(), gradients.all().size());
  for (const Pair& pair : pairs_) {
    const int rows = static_cast<int>(pair.matrix->rows), width = static_cast<int>(pair.matrix->width);
    kernels::RowsBuffer gradient(ops_.type(), rows, width, ops_.memory()), b = RowsOfB(pair);
    ops_.Round(base_.gradients.at(pair.matrix->offset), width, rows, gradient);
    ops_.Product(*pair.weight, gradient, rows, gradients.at(pair.b));
    ops_.ProductWeightGradient(b, gradient, rows, gradients.at(pair.a));
    ops_.Finish();  // before the rows go
  }
  for (float& value : gradients.all()) value *= scale_;
  for (const ParameterTensor& tensor : tensors()) {
    if (tensor.name == kScoreTensor) std::copy_n(base_.gradients.at(base_.head()), tensor.width, gradients.at(score_));
  }
}

const float* Adapter::Values(size_t offset, size_t count) {
  ops_.Finish();
  if (merged_.all().size() < count) merged_ = FloatArray(count, ops_.memory());
  std::copy_n(base_.values.at(offset), count, merged_.at(0));
  const auto within = [&](size_t place) { return place >= offset && place < offset + count; };
  for (const Pair& pair : pairs_) {
    if (!within(pair.matrix->offset)) continue;
    const int rows = static_cast<int>(pair.matrix->rows);
    const kernels::RowsBuffer b = RowsOfB(pair);
    ops_.ProductInputGradient(*pair.weight, b, rows, false, delta_.at(0));
    ops_.Finish();
    float* to = merged_.at(pair.matrix->offset - offset);
    for (size_t i = 0; i < pair.matrix->rows * pair.matrix->width; ++i) to[i] += scale_ * delta_.at(0)[i];
  }
  for (const ParameterTensor& tensor : tensors()) {
    if (tensor.name == kScoreTensor && within(base_.head()))
      std::copy_n(values.at(score_), tensor.width, merged_.at(base_.head() - offset));
  }
  return merged_.at(0);
}

void Merge(Adapter& adapter, Parameters& base) {
  for (const ParameterTensor& tensor : base.tensors()) {
    const size_t count = tensor.rows * tensor.width;
    std::copy_n(adapter.Values(tensor.offset, count), count, base.values.at(tensor.offset));
  }
}

}  // namespace orrery::model
