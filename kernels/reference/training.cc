// SPDX-License-Identifier: Apache-2.0
// A training step's operations as plain loops with sums in double precision.

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/host_training.h"
#include "kernels/reference/loops.h"

namespace orrery::kernels::reference {
namespace {

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

class ReferenceTraining : public HostTraining {
 public:
  ReferenceTraining(const Backend& backend, ThreadPool& pool) : HostTraining(backend, pool) {}

  void RmsNormGradient(const float* x, const float* gain, int width, float eps, int rows, const float* dout, float* dx,
                       float* dgain) const override {
    for (int r = 0; r < rows; ++r, x += width, dout += width, dx += width) {
      double squares = 0, dot = 0;
      for (int i = 0; i < width; ++i) squares += double{x[i]} * x[i];
      const double inverse = 1 / std::sqrt(squares / width + eps);
      for (int i = 0; i < width; ++i) dot += double{dout[i]} * gain[i] * x[i];
      for (int i = 0; i < width; ++i) {
        dgain[i] += static_cast<float>(dout[i] * (x[i] * inverse));
        dx[i] += static_cast<float>(inverse * (double{dout[i]} * gain[i] - x[i] * inverse * inverse * dot / width));
      }
    }
  }

  void Attend(const AttentionShape& shape, const Sequences& sequences, int window, const float* qkv, float* out,
              float* log_sums) const override {
    ForEachQuery(shape, sequences, window, [&](const Query& query) {
      const auto weights = Weights(shape, query, qkv);
      const double largest = *std::max_element(weights.begin(), weights.end());
      double sum = 0;
      for (const double weight : weights) sum += std::exp(weight - largest);
      const double log_sum = largest + std::log(sum);
      log_sums[static_cast<size_t>(query.row) * shape.heads + query.head] = static_cast<float>(log_sum);
      for (int d = 0; d < shape.head_dim; ++d) {
        double value = 0;
        for (size_t j = 0; j < weights.size(); ++j)
          value += std::exp(weights[j] - log_sum) * Value(shape, query, qkv, query.seen[j])[d];
        out[(static_cast<size_t>(query.row) * shape.heads + query.head) * shape.head_dim + d] =
            static_cast<float>(value);
      }
    });
  }

  void AttendGradient(const AttentionShape& shape, const Sequences& sequences, int window, const float* qkv,
                      const float* out, const float* log_sums, const float* dout, float* dqkv) const override {
    const size_t width = Width(shape), total = width * sequences.begins.back();
    std::vector<double> sums(total);
    ForEachQuery(shape, sequences, window, [&](const Query& query) {
      const auto weights = Weights(shape, query, qkv);
      const size_t at = static_cast<size_t>(query.row) * shape.heads + query.head;
      const float *o = out + at * shape.head_dim, *go = dout + at * shape.head_dim;
      double correction = 0;
      for (int d = 0; d < shape.head_dim; ++d) correction += double{o[d]} * go[d];
      const double scale = 1 / std::sqrt(static_cast<double>(shape.head_dim));
      for (size_t j = 0; j < weights.size(); ++j) {
        const int row = query.seen[j];
        const double p = std::exp(weights[j] - log_sums[at]);
        const float *k = Key(shape, query, qkv, row), *v = Value(shape, query, qkv, row),
                    *q = QueryOf(shape, query, qkv);
        double dp = 0;
        for (int d = 0; d < shape.head_dim; ++d) dp += double{go[d]} * v[d];
        const double ds = p * (dp - correction) * scale;
        for (int d = 0; d < shape.head_dim; ++d) {
          sums[v - qkv + d] += p * go[d];
          sums[k - qkv + d] += ds * q[d];
          sums[q - qkv + d] += ds * k[d];
        }
      }
    });
    for (size_t i = 0; i < total; ++i) dqkv[i] = static_cast<float>(sums[i]);
  }

  void SwiGlu(const float* gate_up, int width, int rows, RowsBuffer& out) const override {
    for (int r = 0; r < rows; ++r, gate_up += 2 * width) {
      for (int i = 0; i < width; ++i)
        Elements{type(), out.row(r)}.Put(i, static_cast<float>(gate_up[i] * Sigmoid(gate_up[i]) * gate_up[width + i]));
    }
  }

  void SwiGluGradient(const float* gate_up, const float* dout, int width, int rows, float* dgate_up) const override {
    for (int r = 0; r < rows; ++r, gate_up += 2 * width, dgate_up += 2 * width, dout += width) {
      for (int i = 0; i < width; ++i) {
        const double gate = gate_up[i], up = gate_up[width + i], s = Sigmoid(gate);
        dgate_up[i] = static_cast<float>(dout[i] * up * s * (1 + gate * (1 - s)));
        dgate_up[width + i] = static_cast<float>(dout[i] * gate * s);
      }
    }
  }

  void CrossEntropy(const float* logits, int vocabulary, std::span<const int32_t> targets,
                    std::span<const float> weights, double* losses, RowsBuffer* dlogits) const override {
    for (size_t r = 0; r < targets.size(); ++r, logits += vocabulary) {
      const double largest = *std::max_element(logits, logits + vocabulary);
      double sum = 0;
      for (int i = 0; i < vocabulary; ++i) sum += std::exp(logits[i] - largest);
      losses[r] = largest + std::log(sum) - logits[targets[r]];
      for (int i = 0; dlogits != nullptr && i < vocabulary; ++i) {
        const double p = std::exp(logits[i] - largest) / sum - (i == targets[r] ? 1 : 0);
        Elements{type(), dlogits->row(static_cast<int>(r))}.Put(i, static_cast<float>(p * weights[r]));
      }
    }
  }

  void Step(const AdamW& settings, size_t count, const float* gradient, float* w, float* m, float* v) const override {
    const double beta1 = settings.beta1, beta2 = settings.beta2;
    const double first = 1 - std::pow(beta1, settings.step), second = 1 - std::pow(beta2, settings.step);
    for (size_t i = 0; i < count; ++i) {
      const double g = double{gradient[i]} * settings.gradient_scale;
      m[i] = static_cast<float>(beta1 * m[i] + (1 - beta1) * g);
      v[i] = static_cast<float>(beta2 * v[i] + (1 - beta2) * g * g);
      const double step = m[i] / first / (std::sqrt(v[i] / second) + settings.epsilon);
      w[i] = static_cast<float>(w[i] - settings.rate * (step + double{settings.decay} * w[i]));
    }
  }

 private:
  // One head's query of one row, and the rows that it sees.
  struct Query {
    int row, head;
    std::vector<int> seen;
  };

  static size_t Width(const AttentionShape& shape) {
    return static_cast<size_t>(shape.heads + 2 * shape.kv_heads) * shape.head_dim;
  }
  static const float* QueryOf(const AttentionShape& shape, const Query& query, const float* qkv) {
    return qkv + query.row * Width(shape) + static_cast<size_t>(query.head) * shape.head_dim;
  }
  static const float* Key(const AttentionShape& shape, const Query& query, const float* qkv, int row) {
    return qkv + row * Width(shape) + static_cast<size_t>(shape.heads + query.head / shape.group()) * shape.head_dim;
  }
  static const float* Value(const AttentionShape& shape, const Query& query, const float* qkv, int row) {
    return Key(shape, query, qkv, row) + static_cast<size_t>(shape.kv_heads) * shape.head_dim;
  }

  template <class Fn>
  static void ForEachQuery(const AttentionShape& shape, const Sequences& sequences, int window, Fn fn) {
    for (int s = 0; s < sequences.count(); ++s) {
      for (int i = 0; i < sequences.length(s); ++i) {
        Query query{sequences.begins[s] + i, 0, {}};
        for (int j = 0; j <= i; ++j) {
          const bool near = window == 0 || j > i - window;
          if (near && (j < sequences.prefix(s, i) || j >= sequences.branch(s, i)))
            query.seen.push_back(sequences.begins[s] + j);
        }
        for (query.head = 0; query.head < shape.heads; ++query.head) fn(query);
      }
    }
  }

  // q·k / √d for the rows that the query sees.
  static std::vector<double> Weights(const AttentionShape& shape, const Query& query, const float* qkv) {
    std::vector<double> weights(query.seen.size());
    const float* q = QueryOf(shape, query, qkv);
    for (size_t j = 0; j < weights.size(); ++j) {
      const float* k = Key(shape, query, qkv, query.seen[j]);
      for (int d = 0; d < shape.head_dim; ++d) weights[j] += double{q[d]} * k[d];
      weights[j] /= std::sqrt(static_cast<double>(shape.head_dim));
    }
    return weights;
  }
};

}  // namespace

std::unique_ptr<TrainingOps> NewTrainingOps(const Backend& backend, ThreadPool& pool) {
  return std::make_unique<ReferenceTraining>(backend, pool);
}

}  // namespace orrery::kernels::reference
