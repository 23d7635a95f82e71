// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two definitions' common ground: plain loops with sums in double precision.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/bfloat16.h"
#include "kernels/kernels.h"
#include "kernels/quantise.h"

namespace orrery::kernels::reference {

// Elements of the back end's type, read and written as float.
struct Elements {
  Type type;
  void* data;

  float Get(size_t i) const {
    return type == Type::kFloat32 ? static_cast<const float*>(data)[i]
                                  : FromBfloat16(static_cast<const uint16_t*>(data)[i]);
  }
  void Put(size_t i, float value) const {
    if (type == Type::kFloat32) {
      static_cast<float*>(data)[i] = value;
    } else {
      static_cast<uint16_t*>(data)[i] = ToBfloat16(value);
    }
  }
};

class PlainMatrix : public Matrix {
 public:
  PlainMatrix(int n, int k, Type type) : Matrix(n, k, 32), type_(type), w_(static_cast<size_t>(n) * k) {}

  void Pack(int block, const float* w) override {
    float* out = &w_[static_cast<size_t>(block) * block_columns() * k()];
    for (size_t i = 0; i < static_cast<size_t>(columns(block)) * k(); ++i) {
      out[i] = type_ == Type::kFloat32 ? w[i] : FromBfloat16(ToBfloat16(w[i]));
    }
  }

  void Multiply(int block, InputRows x, int rows, float* y, ptrdiff_t y_stride) const override {
    const Elements input{type_, const_cast<void*>(x.data)};
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < columns(block); ++c) {
        const float* w = &w_[(static_cast<size_t>(block) * block_columns() + c) * k()];
        double sum = 0;
        for (int i = 0; i < k(); ++i) sum += double{input.Get(static_cast<size_t>(r) * PaddedWidth(k()) + i)} * w[i];
        y[r * y_stride + c] = static_cast<float>(sum);
      }
    }
  }

 private:
  Type type_;
  std::vector<float> w_;
};

class QuantisedMatrix : public Matrix {
 public:
  QuantisedMatrix(int n, int k)
      : Matrix(n, k, 32, WeightType::kInt8), values_(static_cast<size_t>(n) * k), scales_(n) {}

  void Pack(int block, const float* w) override {
    for (int c = 0; c < columns(block); ++c) {
      const size_t row = static_cast<size_t>(block) * block_columns() + c;
      scales_[row] = QuantiseLoop({Type::kFloat32, const_cast<float*>(w) + static_cast<size_t>(c) * k()}, k(),
                                  &values_[row * k()]);
    }
  }

  void Multiply(int block, InputRows x, int rows, float* y, ptrdiff_t y_stride) const override {
    for (int r = 0; r < rows; ++r) {
      const auto* input = static_cast<const uint8_t*>(x.data) + r * QuantisedStride(k());
      QuantisedTail tail;
      std::memcpy(&tail, input + QuantisedValues(k()), sizeof(tail));
      for (int c = 0; c < columns(block); ++c) {
        const size_t row = static_cast<size_t>(block) * block_columns() + c;
        int32_t sum = 0;
        for (int i = 0; i < k(); ++i) sum += static_cast<int8_t>(input[i]) * values_[row * k() + i];
        y[r * y_stride + c] = Dequantised(sum, tail.scale, scales_[row]);
      }
    }
  }

  // Returns the scale.
  static float QuantiseLoop(const Elements& x, int width, int8_t* out) {
    float largest = 0;
    for (int i = 0; i < width; ++i) largest = std::fmax(largest, std::abs(x.Get(i)));
    for (int i = 0; i < width; ++i) out[i] = Quantised(x.Get(i), QuantisingFactor(largest));
    return QuantisedScale(largest);
  }

 private:
  std::vector<int8_t> values_;
  std::vector<float> scales_;
};

class ReferenceBackend : public Backend {
 public:
  ReferenceBackend(Type type, WeightType weights) : Backend(Isa::kReference, type, weights) {}

  std::unique_ptr<Matrix> NewMatrix(int n, int k) const override {
    if (weights() == WeightType::kInt8) return std::make_unique<QuantisedMatrix>(n, k);
    return std::make_unique<PlainMatrix>(n, k, type());
  }
  size_t MatrixBytes(int n, int k) const override { return static_cast<size_t>(n) * k * sizeof(float); }

  void Quantise(const void* x, int width, uint8_t* out) const override {
    std::memset(out, 0, QuantisedStride(width));
    auto* values = reinterpret_cast<int8_t*>(out);
    const float scale = QuantisedMatrix::QuantiseLoop({type(), const_cast<void*>(x)}, width, values);
    const QuantisedTail tail{scale, std::accumulate(values, values + width, int32_t{0})};
    std::memcpy(out + QuantisedValues(width), &tail, sizeof(tail));
  }

  void RmsNorm(const float* x, const float* gain, int width, float eps, void* out) const override {
    double squares = 0;
    for (int i = 0; i < width; ++i) squares += double{x[i]} * x[i];
    const double scale = 1 / std::sqrt(squares / width + eps);
    for (int i = 0; i < width; ++i) Elements{type(), out}.Put(i, static_cast<float>(x[i] * scale * gain[i]));
  }

  void Rope(float* x, int heads, int head_dim, RopePairs pairs, const float* cosine, const float* sine) const override {
    const int half = head_dim / 2;
    for (int h = 0; h < heads; ++h) {
      float* head = x + static_cast<size_t>(h) * head_dim;
      for (int i = 0; i < half; ++i) {
        const int a = pairs == RopePairs::kHalves ? i : 2 * i;
        const int b = pairs == RopePairs::kHalves ? i + half : 2 * i + 1;
        const float first = head[a], second = head[b];
        head[a] = first * cosine[i] - second * sine[i];
        head[b] = second * cosine[i] + first * sine[i];
      }
    }
  }

  void SwiGlu(const float* gate_up, int count, int block, void* out) const override {
    for (int i = 0; i < count; ++i) {
      const double gate = gate_up[(i / block) * 2 * block + i % block],
                   up = gate_up[(i / block) * 2 * block + block + i % block];
      Elements{type(), out}.Put(i, static_cast<float>(gate / (1 + std::exp(-gate)) * up));
    }
  }

  void Add(float* x, const float* y, int count) const override {
    for (int i = 0; i < count; ++i) x[i] += y[i];
  }

  // Keys, then values, each [kv_head][slot][dim].
  size_t PageBytes(const AttentionShape& shape) const override {
    return 2 * static_cast<size_t>(shape.kv_heads) * shape.head_dim * kPageTokens * Size(type());
  }

  void WriteKv(const AttentionShape& shape, const float* k, const float* v, uint8_t* page, int slot) const override {
    const Elements out{type(), page};
    for (int h = 0; h < shape.kv_heads; ++h) {
      for (int d = 0; d < shape.head_dim; ++d) {
        out.Put(Index(shape, h, slot, d), k[h * shape.head_dim + d]);
        out.Put(AllKeys(shape) + Index(shape, h, slot, d), v[h * shape.head_dim + d]);
      }
    }
  }

  void CopyKv(const AttentionShape& shape, const uint8_t* from, uint8_t* to, int slots) const override {
    const Elements in{type(), const_cast<uint8_t*>(from)}, out{type(), to};
    std::memset(to, 0, PageBytes(shape));
    for (int h = 0; h < shape.kv_heads; ++h) {
      for (int i = 0; i < slots * shape.head_dim; ++i) {
        const size_t key = Index(shape, h, 0, i);
        out.Put(key, in.Get(key));
        out.Put(AllKeys(shape) + key, in.Get(AllKeys(shape) + key));
      }
    }
  }

  void Attend(const AttentionShape& shape, const AttentionRows& rows, int kv_head, int first, int last) const override {
    for (int r = first; r < last; ++r) {
      for (int g = 0; g < shape.group(); ++g) AttendOne(shape, rows, kv_head, r, kv_head * shape.group() + g);
    }
  }

  Peak Maximum(const float* logits, int count) const override {
    const float* best = std::max_element(logits, logits + count);
    return {*best, static_cast<int32_t>(best - logits)};
  }

  double SumExp(const float* logits, int count, float shift, float scale) const override {
    double sum = 0;
    for (int i = 0; i < count; ++i) sum += std::exp(double{logits[i] - shift} * scale);
    return sum;
  }

  void Exp(const float* logits, int count, float shift, float scale, float* weights) const override {
    for (int i = 0; i < count; ++i) weights[i] = std::exp((logits[i] - shift) * scale);
  }

 protected:
  static size_t Index(const AttentionShape& shape, int head, int slot, int d) {
    return (static_cast<size_t>(head) * kPageTokens + slot) * shape.head_dim + d;
  }
  static size_t AllKeys(const AttentionShape& shape) {
    return static_cast<size_t>(shape.kv_heads) * kPageTokens * shape.head_dim;
  }

 private:
  void AttendOne(const AttentionShape& shape, const AttentionRows& rows, int kv_head, int row, int head) const {
    const int dim = shape.head_dim, keys = rows.lengths[row], first = rows.FirstKey(row);
    const float* q = rows.q + row * rows.q_stride + static_cast<ptrdiff_t>(head) * dim;
    const auto page = [&](int key) {
      return Elements{type(), const_cast<uint8_t*>(rows.kv) + rows.pages[row][key / kPageTokens] * rows.kv_stride};
    };
    std::vector<double> weights(keys), value(dim);
    double largest = -std::numeric_limits<double>::infinity(), total = 0;
    for (int j = first; j < keys; ++j) {
      for (int d = 0; d < dim; ++d) weights[j] += double{q[d]} * page(j).Get(Index(shape, kv_head, j % kPageTokens, d));
      weights[j] /= std::sqrt(static_cast<double>(dim));
      largest = std::max(largest, weights[j]);
    }
    for (int j = first; j < keys; ++j) {
      weights[j] = std::exp(weights[j] - largest);
      total += weights[j];
      for (int d = 0; d < dim; ++d)
        value[d] += weights[j] * page(j).Get(AllKeys(shape) + Index(shape, kv_head, j % kPageTokens, d));
    }
    const Elements out{type(), rows.out};
    const size_t begin = static_cast<size_t>(row) * PaddedWidth(shape.heads * dim) + static_cast<size_t>(head) * dim;
    for (int d = 0; d < dim; ++d) out.Put(begin + d, static_cast<float>(value[d] / total));
  }
};

}  // namespace orrery::kernels::reference
