// SPDX-License-Identifier: Apache-2.0
#pragma once

// The operations of a training step on whole batches: products and their gradients, the backward of each operation of
// the forward pass, the loss and AdamW, as one contract that `reference/` (plain loops), `cpu/` and `cuda/` implement.
//
// What is computed lies in memory that the implementation gives (TrainingOps::memory): the host's, or memory that a
// device and the host share. Operations run in the order of their calls; the host may read and write what they treat
// after Finish(). Spans, and what says it hands values to the host, lie in any memory of the host and are there when
// the call returns.
//
// A batch is the tokens of several sequences, one row each, without padding. Sums over rows run in an order fixed by
// shapes, so results depend neither on the number of threads nor on which of them ran what. Gradients are float32 and
// are added to what is there, unless said otherwise; `dx` is the loss's gradient with respect to x.
//
// Float32 activations lie `width` apart. What a product reads is in type(): rows PaddedWidth(width) elements apart,
// zeros beyond the width, room for PaddedRows(rows), aligned to 64 bytes (RowsBuffer).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/status.h"
#include "kernels/kernels.h"
#include "kernels/thread_pool.h"

namespace orrery::kernels {

// Where what a training computes on lies.
class TrainingMemory {
 public:
  virtual ~TrainingMemory() = default;
  // Zeros, aligned to 64 bytes; throws std::bad_alloc where there is no room.
  virtual void* Allocate(size_t bytes) = 0;
  virtual void Free(void* data, size_t bytes) = 0;
  // Pages of their own, which cost nothing until they are touched.
  static TrainingMemory& Host();
};

// Rows that a product reads; zeros at first. The memory must outlive it.
class RowsBuffer {
 public:
  RowsBuffer(Type type, int rows, int width, TrainingMemory& memory = TrainingMemory::Host());
  ~RowsBuffer();
  RowsBuffer(RowsBuffer&& other) noexcept;
  RowsBuffer& operator=(RowsBuffer&&) = delete;

  Type type() const { return type_; }
  int rows() const { return rows_; }
  int width() const { return width_; }
  void* row(int r) const { return data_ + r * stride_bytes(); }
  size_t stride_bytes() const { return PaddedWidth(width_) * Size(type_); }

 private:
  TrainingMemory* memory_;
  Type type_;
  int rows_, width_;
  size_t bytes_;
  uint8_t* data_;
};

// A weight W [n × k] as products read it: forward y = x·Wᵀ and backward dx = dy·W.
class TrainingWeight {
 public:
  TrainingWeight(int n, int k) : n_(n), k_(k) {}
  virtual ~TrainingWeight() = default;
  int n() const { return n_; }
  int k() const { return k_; }

 private:
  int n_, k_;
};

// A batch's sequences: sequence s is the rows [begins[s], begins[s + 1]). One may be a tree of depth two: a prefix,
// then branches that go on from it and do not see each other, so that what siblings share is computed once.
struct Sequences {
  std::span<const int32_t> begins;
  std::span<const int32_t> prefixes = {};  // [sequences] rows of the prefix; empty: no sequence has branches
  std::span<const int32_t> branches =
      {};  // [rows] where a row's branch begins in its sequence; at most the prefix: none

  int count() const { return static_cast<int>(begins.size()) - 1; }
  int length(int s) const { return begins[s + 1] - begins[s]; }
  // Rows that row i of sequence s does not see although they come before it: [prefix, branch).
  int prefix(int s, int i) const { return branches.empty() ? i : std::min(prefixes[s], branches[begins[s] + i]); }
  int branch(int s, int i) const { return branches.empty() ? i : branches[begins[s] + i]; }
  int position(int s, int i) const { return i - (branch(s, i) - prefix(s, i)); }
};

struct AdamW {
  float rate = 0, beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f, decay = 0;
  int64_t step = 1;          // from 1
  float gradient_scale = 1;  // what gradients are multiplied by first
};

// One thread calls it.
class TrainingOps {
 public:
  // On the processor. `backend` and `pool` must outlive it. The reference's backend gives the reference's operations.
  static std::unique_ptr<TrainingOps> Create(const Backend& backend, ThreadPool& pool);
  virtual ~TrainingOps() = default;

  Type type() const { return type_; }
  virtual TrainingMemory& memory() const { return TrainingMemory::Host(); }
  // The first error of a device, which stays: from then on operations do nothing.
  virtual Status status() const { return absl::OkStatus(); }
  // Returns when all operations have ended.
  virtual void Finish() const {}

  // ---- products

  virtual std::unique_ptr<TrainingWeight> NewWeight(int n, int k) const = 0;
  // w: [n][k].
  virtual void SetWeight(TrainingWeight& weight, const float* w) const = 0;
  // y[r] = x[r]·Wᵀ; y: [rows][n].
  virtual void Product(const TrainingWeight& weight, const RowsBuffer& x, int rows, float* y) const = 0;
  // dx[r] = dy[r]·W, or added to dx; dx: [rows][k].
  virtual void ProductInputGradient(const TrainingWeight& weight, const RowsBuffer& dy, int rows, bool add,
                                    float* dx) const = 0;
  // dw += dyᵀ·x; dw: [n][k].
  virtual void ProductWeightGradient(const RowsBuffer& dy, const RowsBuffer& x, int rows, float* dw) const = 0;
  // Rounds float32 rows, `stride` apart, to what products read.
  virtual void Round(const float* from, ptrdiff_t stride, int rows, RowsBuffer& to) const = 0;

  // ---- rows

  virtual void Clear(float* x, size_t count) const = 0;
  // x[r] = table[tokens[r]]; and dtable[tokens[r]] += dx[r].
  virtual void Embed(const float* table, std::span<const int32_t> tokens, int width, float* x) const = 0;
  virtual void EmbedGradient(std::span<const int32_t> tokens, int width, const float* dx, float* dtable) const = 0;
  virtual void Add(float* x, const float* y, size_t count) const = 0;
  // Each row of y += bias; dbias += the sum of dy's rows.
  virtual void AddBias(const float* bias, int width, int rows, float* y) const = 0;
  virtual void BiasGradient(const float* dy, int width, int rows, float* dbias) const = 0;

  virtual void RmsNorm(const float* x, const float* gain, int width, float eps, int rows, RowsBuffer& out) const = 0;
  // dx is added to, dgain too.
  virtual void RmsNormGradient(const float* x, const float* gain, int width, float eps, int rows, const float* dout,
                               float* dx, float* dgain) const = 0;

  // Turns the first `heads` vectors of each row by its position's angles (cosine, sine: [position][head_dim / 2]), or
  // back. Positions count from each sequence's begin, a branch's from the prefix's end.
  virtual void Rope(const Sequences& sequences, int heads, int head_dim, RopePairs pairs, const float* cosine,
                    const float* sine, bool back, float* x, ptrdiff_t stride) const = 0;

  // Causal attention within each sequence over the last `window` positions (0: all, as it must be where there are
  // branches). qkv: [rows][queries, keys, values], turned already; out: [rows][heads · head_dim]; log_sums:
  // [rows][heads], ln of each softmax's sum.
  virtual void Attend(const AttentionShape& shape, const Sequences& sequences, int window, const float* qkv, float* out,
                      float* log_sums) const = 0;
  // dqkv is written anew.
  virtual void AttendGradient(const AttentionShape& shape, const Sequences& sequences, int window, const float* qkv,
                              const float* out, const float* log_sums, const float* dout, float* dqkv) const = 0;

  // gate_up: [rows][width gates, width ups]; out = silu(gate)·up.
  virtual void SwiGlu(const float* gate_up, int width, int rows, RowsBuffer& out) const = 0;
  // dgate_up is written anew.
  virtual void SwiGluGradient(const float* gate_up, const float* dout, int width, int rows, float* dgate_up) const = 0;

  // ---- loss and step

  // losses[r] = −ln softmax(logits[r])[targets[r]] (not weighted), handed to the host; dlogits[r] = weights[r] · its
  // gradient, rounded (null: not wanted).
  virtual void CrossEntropy(const float* logits, int vocabulary, std::span<const int32_t> targets,
                            std::span<const float> weights, double* losses, RowsBuffer* dlogits) const = 0;

  // Σ x², for the norm of gradients; handed to the host.
  virtual double SquaredNorm(const float* x, size_t count) const = 0;
  // Decoupled weight decay (Loshchilov and Hutter 2019): w −= rate · (m̂ / (√v̂ + ε) + decay · w).
  virtual void Step(const AdamW& settings, size_t count, const float* gradient, float* w, float* m, float* v) const = 0;

 protected:
  explicit TrainingOps(Type type) : type_(type) {}

  static constexpr size_t kRun = size_t{1} << 16;  // elements of a flat array that are treated, or summed, together

 private:
  Type type_;
};

namespace reference {
std::unique_ptr<TrainingOps> NewTrainingOps(const Backend& backend, ThreadPool& pool);
}
namespace cpu {
std::unique_ptr<TrainingOps> NewTrainingOps(const Backend& backend, ThreadPool& pool);
}

}  // namespace orrery::kernels
