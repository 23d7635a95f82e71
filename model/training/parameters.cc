// SPDX-License-Identifier: Apache-2.0
#include "model/training/parameters.h"

#include <cmath>
#include <utility>

#include "base/random.h"
#include "model/source/hf_names.h"

namespace orrery::model {

FloatArray::FloatArray(size_t count, kernels::TrainingMemory& memory)
    : memory_(&memory), data_(static_cast<float*>(memory.Allocate(count * sizeof(float)))), count_(count) {}

FloatArray::~FloatArray() {
  if (memory_ != nullptr) memory_->Free(data_, count_ * sizeof(float));
}

FloatArray::FloatArray(FloatArray&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      count_(std::exchange(other.count_, 0)) {}

FloatArray& FloatArray::operator=(FloatArray&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(data_, other.data_);
  std::swap(count_, other.count_);
  return *this;
}

bool TiedByPublisher(const ModelSource& source, const ModelShape& shape) {
  const GgufTensor *table = source.Find("token_embd.weight"), *output = source.Find("output.weight");
  if (output == nullptr) return true;
  if (table == nullptr || table->shape != output->shape) return false;
  const auto width = static_cast<uint64_t>(shape.width);
  std::vector<float> a(width), b(width);
  double dot = 0, first = 0, second = 0;
  for (uint64_t row = 0; row < static_cast<uint64_t>(shape.vocabulary); row += 97) {
    Dequantise(*table, row * width, width, a.data());
    Dequantise(*output, row * width, width, b.data());
    for (uint64_t i = 0; i < width; ++i) {
      dot += double{a[i]} * b[i];
      first += double{a[i]} * a[i];
      second += double{b[i]} * b[i];
    }
  }
  return dot > 0.98 * std::sqrt(first * second);
}

size_t Trainables::Add(std::string name, uint64_t rows, uint64_t width) {
  // The same alignment as a cache line's, for the vectors that run over it.
  const size_t offset = (count_ + 15) / 16 * 16;
  tensors_.push_back({std::move(name), rows, width, offset, rows > 1});
  count_ = offset + rows * width;
  return offset;
}

void Parameters::Plan(const ModelShape& shape, bool tied) {
  const auto width = static_cast<uint64_t>(shape.width), forward = static_cast<uint64_t>(shape.feed_forward);
  const auto queries = static_cast<uint64_t>(shape.query_width()), keys = static_cast<uint64_t>(shape.key_width());
  for (int i = 0; i < shape.layers; ++i) {
    const auto name = [i](const char* tensor) { return fmt::format("blk.{}.{}", i, tensor); };
    LayerOffsets layer{};
    layer.attention_norm = Add(name("attn_norm.weight"), 1, width);
    if (shape.fused) {
      layer.qkv = Add(name("attn_qkv.weight"), queries + 2 * keys, width);
    } else {
      layer.qkv = Add(name("attn_q.weight"), queries, width);
      Add(name("attn_k.weight"), keys, width);
      Add(name("attn_v.weight"), keys, width);
    }
    if (shape.qkv_bias) {
      layer.qkv_bias = Add(name("attn_q.bias"), 1, queries);
      Add(name("attn_k.bias"), 1, keys);
      Add(name("attn_v.bias"), 1, keys);
    }
    layer.output = Add(name("attn_output.weight"), width, queries);
    layer.feed_forward_norm = Add(name("ffn_norm.weight"), 1, width);
    if (shape.fused) {
      layer.gate_up = Add(name("ffn_up.weight"), 2 * forward, width);
    } else {
      layer.gate_up = Add(name("ffn_gate.weight"), forward, width);
      Add(name("ffn_up.weight"), forward, width);
    }
    layer.down = Add(name("ffn_down.weight"), width, forward);
    layers_.push_back(layer);
  }
  final_norm_ = Add("output_norm.weight", 1, width);
  embedding_ = Add("token_embd.weight", static_cast<uint64_t>(shape.vocabulary), width);
  if (shape.scores()) {
    head_ = Add(std::string(kScoreTensor), 1, width);
  } else {
    head_ = tied ? embedding_ : Add("output.weight", static_cast<uint64_t>(shape.vocabulary), width);
  }
}

// Uniform, of the spread that transformers draws a new head with.
void Parameters::DrawScore(uint64_t width, uint64_t seed) {
  const RandomStream random{seed, 0};
  const float reach = 0.02f * std::sqrt(3.0f);
  for (uint64_t i = 0; i < width; ++i)
    values.at(head_)[i] = reach * (2 * random.Uniform(Purpose::kInitialise, static_cast<uint32_t>(i)) - 1);
}

StatusOr<Parameters> Parameters::Read(const ModelSource& source, const ModelShape& shape, bool tied, uint64_t seed,
                                      kernels::TrainingMemory& memory) {
  Parameters parameters;
  parameters.Plan(shape, tied);
  parameters.values = FloatArray(parameters.count(), memory);
  for (const ParameterTensor& wanted : parameters.tensors()) {
    if (wanted.name == kScoreTensor && source.Find(kScoreTensor) == nullptr) {
      parameters.DrawScore(wanted.width, seed);
      continue;
    }
    const bool shared = tied && wanted.name == "token_embd.weight" && source.Find("output.weight") != nullptr;
    const std::string name = shared ? "output.weight" : wanted.name;
    const GgufTensor* tensor = source.Find(name);
    if (tensor == nullptr && name == "output.weight") tensor = source.Find("token_embd.weight");
    if (tensor == nullptr) return InvalidInput("{} is missing", source.Describe(name));
    const std::vector<uint64_t> expected = wanted.rows > 1 || wanted.name == kScoreTensor
                                               ? std::vector<uint64_t>{wanted.width, wanted.rows}
                                               : std::vector<uint64_t>{wanted.width};
    if (tensor->shape != expected) {
      return InvalidInput("{} has the shape [{}]; expected [{}]", source.Describe(name), fmt::join(tensor->shape, ", "),
                          fmt::join(expected, ", "));
    }
    float* values = parameters.values.at(wanted.offset);
    Dequantise(*tensor, 0, wanted.rows * wanted.width, values);
    for (uint64_t i = 0; i < wanted.rows * wanted.width; ++i) {
      if (!std::isfinite(values[i])) {
        return InvalidInput("{}: row {} holds a NaN or an infinity; finite weights were expected",
                            source.Describe(name), i / wanted.width);
      }
    }
  }
  return parameters;
}

Parameters Parameters::Random(const ModelShape& shape, bool tied, uint64_t seed, kernels::TrainingMemory& memory) {
  Parameters parameters;
  parameters.Plan(shape, tied);
  parameters.values = FloatArray(parameters.count(), memory);
  uint64_t stream = 0;
  for (const ParameterTensor& tensor : parameters.tensors()) {
    const RandomStream random{seed, ++stream};
    float* values = parameters.values.at(tensor.offset);
    const bool gain = tensor.name.ends_with("norm.weight"), matrix = tensor.decays || tensor.name == kScoreTensor;
    // Uniform within ±√(3 / width) has the deviation 1/√width.
    const float reach = matrix ? std::sqrt(3.0f / static_cast<float>(tensor.width)) : 0, mean = gain ? 1 : 0;
    for (uint64_t i = 0; i < tensor.rows * tensor.width; ++i) {
      const float uniform = matrix ? random.Uniform(Purpose::kInitialise, static_cast<uint32_t>(i)) : 0.5f;
      values[i] = mean + reach * (2 * uniform - 1);
    }
  }
  return parameters;
}

}  // namespace orrery::model
