// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/cpu/training_table.h"
#include "kernels/host_training.h"

namespace orrery::kernels::cpu {
namespace {

class CpuTraining : public HostTraining {
 public:
  CpuTraining(const Backend& backend, ThreadPool& pool)
      : HostTraining(backend, pool),
        table_(backend.isa() >= Isa::kAvx512 ? Avx512TrainingTable() : Avx2TrainingTable()) {}

  void RmsNormGradient(const float* x, const float* gain, int width, float eps, int rows, const float* dout, float* dx,
                       float* dgain) const override {
    SumOverRows(
        rows, width,
        [&](int row, float* partial) {
          const size_t at = static_cast<size_t>(row) * width;
          table_.rms_norm_gradient(x + at, gain, width, eps, dout + at, dx + at, partial);
        },
        dgain);
  }

  void Attend(const AttentionShape& shape, const Sequences& sequences, int window, const float* qkv, float* out,
              float* log_sums) const override {
    ForUnits(shape, sequences, window, qkv, [&](AttentionUnit& unit, size_t begin) {
      unit.out = out + begin * shape.heads * shape.head_dim;
      unit.log_sums = log_sums + begin * shape.heads;
      table_.attend(unit);
    });
  }

  void AttendGradient(const AttentionShape& shape, const Sequences& sequences, int window, const float* qkv,
                      const float* out, const float* log_sums, const float* dout, float* dqkv) const override {
    const size_t width = Width(shape);
    ForRows(sequences.begins.back(), [&](int r) { std::memset(dqkv + r * width, 0, width * sizeof(float)); });
    ForUnits(shape, sequences, window, qkv, [&](AttentionUnit& unit, size_t begin) {
      const size_t head = begin * shape.heads;
      unit.out = const_cast<float*>(out) + head * shape.head_dim;
      unit.log_sums = const_cast<float*>(log_sums) + head;
      unit.dout = dout + head * shape.head_dim;
      unit.dqkv = dqkv + begin * width;
      table_.attend_gradient(unit);
    });
  }

  void SwiGlu(const float* gate_up, int width, int rows, RowsBuffer& out) const override {
    ForRows(rows, [&](int r) {
      const float* from = gate_up + static_cast<size_t>(r) * 2 * width;
      if (type() == Type::kFloat32) {
        table_.swiglu_float32(from, width, static_cast<float*>(out.row(r)));
      } else {
        table_.swiglu_bfloat16(from, width, static_cast<uint16_t*>(out.row(r)));
      }
    });
  }

  void SwiGluGradient(const float* gate_up, const float* dout, int width, int rows, float* dgate_up) const override {
    ForRows(rows, [&](int r) {
      const size_t at = static_cast<size_t>(r) * width;
      table_.swiglu_gradient(gate_up + 2 * at, dout + at, width, dgate_up + 2 * at);
    });
  }

  void CrossEntropy(const float* logits, int vocabulary, std::span<const int32_t> targets,
                    std::span<const float> weights, double* losses, RowsBuffer* dlogits) const override {
    pool().ParallelFor(static_cast<int>(targets.size()), [&](int r, int) {
      const float* row = logits + static_cast<size_t>(r) * vocabulary;
      const float largest = backend().Maximum(row, vocabulary).value;
      const double log_sum = largest + std::log(backend().SumExp(row, vocabulary, largest, 1));
      losses[r] = log_sum - row[targets[r]];
      if (dlogits == nullptr) return;
      if (type() == Type::kFloat32) {
        table_.softmax_gradient_float32(row, vocabulary, static_cast<float>(log_sum), targets[r], weights[r],
                                        static_cast<float*>(dlogits->row(r)));
      } else {
        table_.softmax_gradient_bfloat16(row, vocabulary, static_cast<float>(log_sum), targets[r], weights[r],
                                         static_cast<uint16_t*>(dlogits->row(r)));
      }
    });
  }

  void Step(const AdamW& settings, size_t count, const float* gradient, float* w, float* m, float* v) const override {
    const auto correction = [&](double beta) {
      return static_cast<float>(1 / (1 - std::pow(beta, static_cast<double>(settings.step))));
    };
    const AdamWConstants constants = {.scale = settings.gradient_scale,
                                      .beta1 = settings.beta1,
                                      .beta2 = settings.beta2,
                                      .rate = settings.rate,
                                      .decay = settings.rate * settings.decay,
                                      .first = correction(settings.beta1),
                                      .second = correction(settings.beta2),
                                      .epsilon = settings.epsilon};
    ForRuns(count, [&](size_t begin, size_t end) {
      table_.adamw(constants, end - begin, gradient + begin, w + begin, m + begin, v + begin);
    });
  }

 private:
  static size_t Width(const AttentionShape& shape) {
    return static_cast<size_t>(shape.heads + 2 * shape.kv_heads) * shape.head_dim;
  }

  // fn(unit, first row) for each sequence and key-value head.
  template <class Fn>
  void ForUnits(const AttentionShape& shape, const Sequences& sequences, int window, const float* qkv, Fn fn) const {
    pool().ParallelFor(sequences.count() * shape.kv_heads, [&](int index, int) {
      const int s = index / shape.kv_heads;
      const auto begin = static_cast<size_t>(sequences.begins[s]);
      AttentionUnit unit;
      unit.shape = shape;
      unit.kv_head = index % shape.kv_heads;
      unit.length = sequences.length(s);
      unit.window = window;
      if (!sequences.branches.empty()) {
        unit.prefix = sequences.prefixes[s];
        unit.branches = &sequences.branches[begin];
      }
      unit.qkv = qkv + begin * Width(shape);
      if (unit.length > 0) fn(unit, begin);
    });
  }

  const TrainingTable& table_;
};

}  // namespace

std::unique_ptr<TrainingOps> NewTrainingOps(const Backend& backend, ThreadPool& pool) {
  return std::make_unique<CpuTraining>(backend, pool);
}

}  // namespace orrery::kernels::cpu
