// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the two trainings on the processor share (kernels/training.h): products over a back end's matrices, and the
// loops over rows, spread over the pool's threads.

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include "kernels/training.h"

namespace orrery::kernels {

class HostTraining : public TrainingOps {
 public:
  std::unique_ptr<TrainingWeight> NewWeight(int n, int k) const override;
  void SetWeight(TrainingWeight& weight, const float* w) const override;
  void Product(const TrainingWeight& weight, const RowsBuffer& x, int rows, float* y) const override;
  void ProductInputGradient(const TrainingWeight& weight, const RowsBuffer& dy, int rows, bool add,
                            float* dx) const override;
  void ProductWeightGradient(const RowsBuffer& dy, const RowsBuffer& x, int rows, float* dw) const override;
  void Round(const float* from, ptrdiff_t stride, int rows, RowsBuffer& to) const override;

  void Clear(float* x, size_t count) const override;
  void Embed(const float* table, std::span<const int32_t> tokens, int width, float* x) const override;
  void EmbedGradient(std::span<const int32_t> tokens, int width, const float* dx, float* dtable) const override;
  void Add(float* x, const float* y, size_t count) const override;
  void AddBias(const float* bias, int width, int rows, float* y) const override;
  void BiasGradient(const float* dy, int width, int rows, float* dbias) const override;
  void RmsNorm(const float* x, const float* gain, int width, float eps, int rows, RowsBuffer& out) const override;
  void Rope(const Sequences& sequences, int heads, int head_dim, RopePairs pairs, const float* cosine,
            const float* sine, bool back, float* x, ptrdiff_t stride) const override;
  double SquaredNorm(const float* x, size_t count) const override;

 protected:
  HostTraining(const Backend& backend, ThreadPool& pool)
      : TrainingOps(backend.type()), backend_(backend), pool_(pool) {}

  const Backend& backend() const { return backend_; }
  ThreadPool& pool() const { return pool_; }

  static constexpr int kRowsPerUnit = 8;

  // fn(row) for every row.
  template <class Fn>
  void ForRows(int rows, Fn fn) const {
    pool_.ParallelFor((rows + kRowsPerUnit - 1) / kRowsPerUnit, [&](int unit, int) {
      for (int r = unit * kRowsPerUnit; r < rows && r < (unit + 1) * kRowsPerUnit; ++r) fn(r);
    });
  }
  // fn(begin, end) for runs of a flat array.
  template <class Fn>
  void ForRuns(size_t count, Fn fn) const {
    pool_.ParallelFor(static_cast<int>((count + kRun - 1) / kRun),
                      [&](int unit, int) { fn(unit * kRun, unit * kRun + kRun < count ? unit * kRun + kRun : count); });
  }
  // sums[i] += Σ over rows of what fn(row, partial) adds to its `width` partial sums, in an order fixed by `rows`.
  void SumOverRows(int rows, int width, const std::function<void(int row, float* partial)>& fn, float* sums) const;

 private:
  const Backend& backend_;
  ThreadPool& pool_;
  // Kept by their shape: their memory is large, and is wanted again for each layer.
  mutable std::map<std::pair<int, int>, std::unique_ptr<Matrix>> transposed_;
};

}  // namespace orrery::kernels
