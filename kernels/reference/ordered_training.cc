// SPDX-License-Identifier: Apache-2.0
#include "kernels/reference/ordered_training.h"

#include <array>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include "kernels/logarithm.h"
#include "kernels/reference/lane_sums.h"
#include "kernels/reference/loops.h"
#include "kernels/reference/reference.h"
#include "kernels/training_products.h"

namespace orrery::kernels::reference {
namespace {

float SumOf(int count, const std::function<float(int, float)>& add) {
  std::array<float, kSumLanes> lanes = {};
  for (int i = 0; i < count; ++i) lanes[i % kSumLanes] = add(i, lanes[i % kSumLanes]);
  return Total(lanes);
}

float Dot(const float* a, const float* b, int count) {
  float dot = 0;
  for (int i = 0; i < count; ++i) dot = Fma(a[i], b[i], dot);
  return dot;
}

struct OrderedWeight : TrainingWeight {
  OrderedWeight(Type type, int n, int k) : TrainingWeight(n, k), rows(type, n, k) {}
  RowsBuffer rows;
};

// One head's vectors of each row of qkv.
struct Head {
  const AttentionShape& shape;
  int head;
  ptrdiff_t width() const { return ptrdiff_t{shape.heads + 2 * shape.kv_heads} * shape.head_dim; }
  ptrdiff_t q(int row) const { return row * width() + ptrdiff_t{head} * shape.head_dim; }
  ptrdiff_t k(int row) const { return row * width() + ptrdiff_t{shape.heads + head / shape.group()} * shape.head_dim; }
  ptrdiff_t v(int row) const { return k(row) + ptrdiff_t{shape.kv_heads} * shape.head_dim; }
  size_t at(int row) const { return static_cast<size_t>(row) * shape.heads + head; }
  size_t out(int row) const { return at(row) * shape.head_dim; }
};

class OrderedTraining : public TrainingOps {
 public:
  explicit OrderedTraining(Type type)
      : TrainingOps(type), backend_(NewOrderedBackend(type)), products_(NewTrainingProducts(type)) {}

  std::unique_ptr<TrainingWeight> NewWeight(int n, int k) const override {
    return std::make_unique<OrderedWeight>(type(), n, k);
  }
  void SetWeight(TrainingWeight& weight, const float* w) const override {
    Round(w, weight.k(), weight.n(), static_cast<OrderedWeight&>(weight).rows);
  }
  void Product(const TrainingWeight& weight, const RowsBuffer& x, int rows, float* y) const override {
    products_->Multiply(Whole(x), Transposed(WeightRows(weight)), rows, weight.n(), weight.k(), false, y);
  }
  void ProductInputGradient(const TrainingWeight& weight, const RowsBuffer& dy, int rows, bool add,
                            float* dx) const override {
    products_->Multiply(Whole(dy), Whole(WeightRows(weight)), rows, weight.k(), weight.n(), add, dx);
  }
  void ProductWeightGradient(const RowsBuffer& dy, const RowsBuffer& x, int rows, float* dw) const override {
    products_->Multiply(Transposed(dy), Whole(x), dy.width(), x.width(), rows, true, dw);
  }
  void Round(const float* from, ptrdiff_t stride, int rows, RowsBuffer& to) const override {
    for (int r = 0; r < rows; ++r) {
      for (int i = 0; i < to.width(); ++i) Elements{type(), to.row(r)}.Put(i, from[r * stride + i]);
    }
  }

  void Clear(float* x, size_t count) const override { std::fill_n(x, count, 0.0f); }
  void Embed(const float* table, std::span<const int32_t> tokens, int width, float* x) const override {
    for (const int32_t token : tokens) x = std::copy_n(table + size_t(token) * width, width, x);
  }
  void EmbedGradient(std::span<const int32_t> tokens, int width, const float* dx, float* dtable) const override {
    for (size_t r = 0; r < tokens.size(); ++r) Add(dtable + size_t(tokens[r]) * width, dx + r * width, width);
  }
  void Add(float* x, const float* y, size_t count) const override {
    for (size_t i = 0; i < count; ++i) x[i] += y[i];
  }
  void AddBias(const float* bias, int width, int rows, float* y) const override {
    for (int r = 0; r < rows; ++r) Add(y + size_t(r) * width, bias, width);
  }
  void BiasGradient(const float* dy, int width, int rows, float* dbias) const override {
    AddSums(
        rows, width, [&](int r, int i) { return dy[size_t(r) * width + i]; }, dbias);
  }

  void RmsNorm(const float* x, const float* gain, int width, float eps, int rows, RowsBuffer& out) const override {
    for (int r = 0; r < rows; ++r) backend_->RmsNorm(x + size_t(r) * width, gain, width, eps, out.row(r));
  }
  void RmsNormGradient(const float* x, const float* gain, int width, float eps, int rows, const float* dout, float* dx,
                       float* dgain) const override {
    std::vector<float> inverses(rows);
    for (int r = 0; r < rows; ++r) {
      const size_t at = size_t(r) * width;
      const float squares = SumOf(width, [&](int i, float sum) { return Fma(x[at + i], x[at + i], sum); });
      const float dot = SumOf(width, [&](int i, float sum) { return Fma(dout[at + i] * gain[i], x[at + i], sum); });
      const float inverse = 1 / std::sqrt(squares / static_cast<float>(width) + eps);
      const float factor = inverse * inverse * (dot / static_cast<float>(width));
      for (int i = 0; i < width; ++i) dx[at + i] += inverse * (dout[at + i] * gain[i] - x[at + i] * factor);
      inverses[r] = inverse;
    }
    const auto term = [&](int r, int i) {
      const size_t at = size_t(r) * width + i;
      return dout[at] * (x[at] * inverses[r]);
    };
    AddSums(rows, width, term, dgain);
  }

  void Rope(const Sequences& sequences, int heads, int head_dim, RopePairs pairs, const float* cosine,
            const float* sine, bool back, float* x, ptrdiff_t stride) const override {
    const int half = head_dim / 2;
    std::vector<float> turned(half);
    for (int s = 0; s < sequences.count(); ++s) {
      for (int i = 0; i < sequences.length(s); ++i) {
        const size_t angle = size_t(sequences.position(s, i)) * half;
        for (int d = 0; d < half; ++d) turned[d] = back ? -sine[angle + d] : sine[angle + d];
        backend_->Rope(x + (sequences.begins[s] + i) * stride, heads, head_dim, pairs, cosine + angle, turned.data());
      }
    }
  }

  void Attend(const AttentionShape& shape, const Sequences& sequences, int window, const float* qkv, float* out,
              float* log_sums) const override {
    for (int s = 0; s < sequences.count(); ++s) {
      for (int i = 0; i < sequences.length(s); ++i) {
        for (int head = 0; head < shape.heads; ++head)
          AttendOne({shape, head}, sequences, s, i, window, qkv, out, log_sums);
      }
    }
  }

  void AttendGradient(const AttentionShape& shape, const Sequences& sequences, int window, const float* qkv,
                      const float* out, const float* log_sums, const float* dout, float* dqkv) const override {
    const int rows = sequences.begins.back();
    std::fill_n(dqkv, size_t(rows) * (shape.heads + 2 * shape.kv_heads) * shape.head_dim, 0.0f);
    const float scale = 1 / std::sqrt(static_cast<float>(shape.head_dim));
    for (int s = 0; s < sequences.count(); ++s) {
      for (int i = 0; i < sequences.length(s); ++i) {
        for (int h = 0; h < shape.heads; ++h) {
          const Head head{shape, h};
          const int row = sequences.begins[s] + i, dim = shape.head_dim;
          const float *q = qkv + head.q(row), *go = dout + head.out(row);
          const float correction = WarpDot(go, out + head.out(row), dim);
          for (int j = 0; j <= i; ++j) {
            if (!Sees(sequences, s, i, j, window)) continue;
            const int other = sequences.begins[s] + j;
            const float p = Exp(Dot(q, qkv + head.k(other), dim) * scale - log_sums[head.at(row)]);
            const float ds = p * (Dot(go, qkv + head.v(other), dim) - correction) * scale;
            AddScaled(ds, qkv + head.k(other), dim, dqkv + head.q(row));
            AddScaled(ds, q, dim, dqkv + head.k(other));
            AddScaled(p, go, dim, dqkv + head.v(other));
          }
        }
      }
    }
  }

  void SwiGlu(const float* gate_up, int width, int rows, RowsBuffer& out) const override {
    for (int r = 0; r < rows; ++r) backend_->SwiGlu(gate_up + size_t(r) * 2 * width, width, width, out.row(r));
  }
  void SwiGluGradient(const float* gate_up, const float* dout, int width, int rows, float* dgate_up) const override {
    for (int r = 0; r < rows; ++r, gate_up += 2 * width, dgate_up += 2 * width, dout += width) {
      for (int i = 0; i < width; ++i) {
        const float gate = gate_up[i], s = 1 / (1 + Exp(-gate));
        dgate_up[i] = dout[i] * gate_up[width + i] * (s * (gate * (1 - s) + 1));
        dgate_up[width + i] = dout[i] * gate * s;
      }
    }
  }

  void CrossEntropy(const float* logits, int vocabulary, std::span<const int32_t> targets,
                    std::span<const float> weights, double* losses, RowsBuffer* dlogits) const override {
    for (size_t r = 0; r < targets.size(); ++r, logits += vocabulary) {
      const float largest = *std::max_element(logits, logits + vocabulary);
      std::array<double, kSumLanes> lanes = {};
      for (int i = 0; i < vocabulary; ++i) lanes[i % kSumLanes] += double{Exp(logits[i] - largest)};
      const double sum = Total(lanes);
      losses[r] = double{largest} + std::log(sum) - logits[targets[r]];
      if (dlogits == nullptr) continue;
      const Elements to{type(), dlogits->row(static_cast<int>(r))};
      const auto inverse = static_cast<float>(1 / sum);
      for (int i = 0; i < vocabulary; ++i)
        to.Put(i, (Exp(logits[i] - largest) * inverse - (i == targets[r] ? 1.0f : 0.0f)) * weights[r]);
    }
  }

  double SquaredNorm(const float* x, size_t count) const override {
    double total = 0;
    for (size_t begin = 0; begin < count; begin += kRun) {
      std::array<double, kSumLanes> lanes = {};
      for (size_t i = begin; i < std::min(count, begin + kRun); ++i)
        lanes[(i - begin) % kSumLanes] += double{x[i]} * x[i];
      total += Total(lanes);
    }
    return total;
  }

  void Step(const AdamW& settings, size_t count, const float* gradient, float* w, float* m, float* v) const override {
    const auto correction = [&](double beta) {
      return static_cast<float>(1 / (1 - std::pow(beta, static_cast<double>(settings.step))));
    };
    const float first = correction(settings.beta1), second = correction(settings.beta2);
    const float decay = settings.rate * settings.decay, rest1 = 1 - settings.beta1, rest2 = 1 - settings.beta2;
    for (size_t i = 0; i < count; ++i) {
      const float g = gradient[i] * settings.gradient_scale;
      m[i] = Fma(settings.beta1, m[i], rest1 * g);
      v[i] = Fma(settings.beta2, v[i], rest2 * (g * g));
      const float step = m[i] * first / (std::sqrt(v[i] * second) + settings.epsilon);
      w[i] = w[i] - decay * w[i] - settings.rate * step;
    }
  }

 private:
  static const RowsBuffer& WeightRows(const TrainingWeight& weight) {
    return static_cast<const OrderedWeight&>(weight).rows;
  }
  static Factor Whole(const RowsBuffer& rows) { return {rows.row(0), PaddedWidth(rows.width()), false}; }
  static Factor Transposed(const RowsBuffer& rows) { return {rows.row(0), PaddedWidth(rows.width()), true}; }

  static void AddSums(int rows, int width, const std::function<float(int, int)>& term, float* sums) {
    for (int i = 0; i < width; ++i) {
      std::array<double, kSumStripes> stripes = {};
      for (int r = 0; r < rows; ++r) stripes[r % kSumStripes] += double{term(r, i)};
      double sum = stripes[0];
      for (int s = 1; s < kSumStripes; ++s) sum += stripes[s];
      sums[i] += static_cast<float>(sum);
    }
  }

  static bool Sees(const Sequences& sequences, int s, int i, int j, int window) {
    return (window == 0 || j > i - window) && (j < sequences.prefix(s, i) || j >= sequences.branch(s, i));
  }
  static void AddScaled(float factor, const float* from, int count, float* to) {
    for (int d = 0; d < count; ++d) to[d] = Fma(factor, from[d], to[d]);
  }
  static float WarpDot(const float* a, const float* b, int count) {
    std::array<float, kWarp> lanes = {};
    for (int d = 0; d < count; ++d) lanes[d % kWarp] = Fma(a[d], b[d], lanes[d % kWarp]);
    return Total(lanes);
  }

  static void AttendOne(const Head& head, const Sequences& sequences, int s, int i, int window, const float* qkv,
                        float* out, float* log_sums) {
    const int row = sequences.begins[s] + i, dim = head.shape.head_dim;
    const float scale = 1 / std::sqrt(static_cast<float>(dim));
    float largest = -HUGE_VALF, total = 0;
    std::vector<float> value(dim);
    for (int tile = 0; tile <= i; tile += kSightTile) {
      std::vector<std::pair<int, float>> scores;  // rows that are seen
      float peak = largest;
      for (int j = tile; j <= std::min(i, tile + kSightTile - 1); ++j) {
        if (!Sees(sequences, s, i, j, window)) continue;
        const int other = sequences.begins[s] + j;
        scores.emplace_back(other, Dot(qkv + head.q(row), qkv + head.k(other), dim) * scale);
        peak = std::fmax(peak, scores.back().second);
      }
      if (scores.empty()) continue;
      const float correction = Exp(largest - peak);
      largest = peak;
      total *= correction;
      for (float& x : value) x *= correction;
      for (const auto& [other, score] : scores) {
        const float weight = Exp(score - peak);
        total += weight;
        AddScaled(weight, qkv + head.v(other), dim, value.data());
      }
    }
    for (int d = 0; d < dim; ++d) out[head.out(row) + d] = value[d] / total;
    log_sums[head.at(row)] = largest + Log(total);
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<TrainingProducts> products_;
};

}  // namespace

std::unique_ptr<TrainingOps> NewOrderedTraining(Type type) { return std::make_unique<OrderedTraining>(type); }

}  // namespace orrery::kernels::reference
