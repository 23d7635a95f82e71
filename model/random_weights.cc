// SPDX-License-Identifier: Apache-2.0
#include "model/random_weights.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace orrery::model {
namespace {

// A stretch of random numbers is made once and read from changing places: billions of weights come quickly.
class Maker {
 public:
  Maker(kernels::Device& device, uint32_t seed) : device_(device), random_(seed), pool_(kPool) {
    std::normal_distribution<float> normal;
    for (float& value : pool_) value = normal(random_);
  }

  void Fill(float* out, size_t count, float scale, float mean) {
    size_t at = random_() % kPool;
    for (size_t i = 0; i < count; ++i, ++at) out[i] = pool_[at % kPool] * scale + mean;
  }
  std::unique_ptr<kernels::Buffer> Vector(int width, float mean) {
    std::vector<float> values(width);
    Fill(values.data(), values.size(), 0.2f, mean);
    auto buffer = device_.NewBuffer(kernels::Type::kFloat32, values.size());
    device_.Upload(values.data(), buffer->bytes(), *buffer, 0);
    return buffer;
  }
  // Row by row, so that the weights do not depend on a device's blocks.
  std::unique_ptr<kernels::WeightMatrix> Matrix(int n, int k) {
    auto matrix = device_.NewMatrix(n, k);
    for (int b = 0; b < matrix->blocks(); ++b) {
      std::vector<float> w(size_t(matrix->columns(b)) * k);
      for (int c = 0; c < matrix->columns(b); ++c) Fill(&w[size_t(c) * k], k, 1 / std::sqrt(static_cast<float>(k)), 0);
      matrix->Pack(b, w.data());
    }
    return matrix;
  }

 private:
  static constexpr size_t kPool = 1000003;

  kernels::Device& device_;
  std::mt19937 random_;
  std::vector<float> pool_;
};

}  // namespace

Weights RandomWeights(const ModelShape& shape, kernels::Device& device, uint32_t seed) {
  Maker maker(device, seed);
  Weights weights;
  weights.shape = shape;
  for (int i = 0; i < shape.layers; ++i) {
    LayerWeights layer;
    const int qkv = shape.query_width() + 2 * shape.key_width();
    layer.attention_norm = maker.Vector(shape.width, 1);
    layer.feed_forward_norm = maker.Vector(shape.width, 1);
    if (shape.qkv_bias) layer.qkv_bias = maker.Vector(qkv, 0);
    layer.qkv = maker.Matrix(qkv, shape.width);
    layer.output = maker.Matrix(shape.width, shape.query_width());
    layer.gate_up = maker.Matrix(2 * shape.feed_forward, shape.width);
    layer.down = maker.Matrix(shape.width, shape.feed_forward);
    weights.layers.push_back(std::move(layer));
  }
  weights.final_norm = maker.Vector(shape.width, 1);
  weights.head = maker.Matrix(shape.vocabulary, shape.width);
  auto table = std::make_shared<std::vector<float>>(size_t(shape.vocabulary) * shape.width);
  maker.Fill(table->data(), table->size(), 1, 0);
  const size_t width = shape.width;
  weights.embedding = device.NewRowTable(shape.vocabulary, shape.width, [table, width](int64_t row, float* out) {
    std::copy_n(table->begin() + static_cast<ptrdiff_t>(row * width), width, out);
  });
  return weights;
}

}  // namespace orrery::model
