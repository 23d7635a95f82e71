// SPDX-License-Identifier: Apache-2.0
#pragma once

// The CUDA training of kernels/training.h, once for a real device and once for the emulator: which kernel an operation
// is, with which grid and which views. The runtime below it is device_on.h's, and beside that:
//
//   void* AllocateShared(size_t bytes)   zeroed, for the device and the host; null if there is no room
//   void FreeShared(void*)
//   void Finish()                        returns when all that was launched has ended
//
// Every sum has an order that shapes fix: gathered by one thread, or summed over a block in a fixed tree; nothing is
// added atomically.

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "kernels/cuda/rows.h"
#include "kernels/cuda/training_attention.h"
#include "kernels/cuda/training_loss.h"
#include "kernels/cuda/training_memory.h"
#include "kernels/cuda/training_plan.h"
#include "kernels/cuda/training_rows.h"
#include "kernels/training.h"
#include "kernels/training_products.h"

namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE {

template <class Runtime>
class TrainingOn : public TrainingOps {
 public:
  TrainingOn(Type type, std::unique_ptr<Runtime> runtime, std::unique_ptr<TrainingProducts> products)
      : TrainingOps(type),
        runtime_(std::move(runtime)),
        products_(std::move(products)),
        shared_(*runtime_, true),
        device_(*runtime_, false) {}

  ~TrainingOn() override {
    for (GrowingArray& slot : slots_) slot.Free(device_);
  }

  TrainingMemory& memory() const override { return shared_; }
  Status status() const override {
    ORRERY_RETURN_IF_ERROR(status_);
    ORRERY_RETURN_IF_ERROR(runtime_->status());
    return products_->status();
  }
  void Finish() const override { runtime_->Finish(); }

  std::unique_ptr<TrainingWeight> NewWeight(int n, int k) const override {
    return std::make_unique<Weight>(type(), n, k, device_);
  }
  void SetWeight(TrainingWeight& weight, const float* w) const override {
    Round(w, weight.k(), weight.n(), static_cast<Weight&>(weight).rows);
  }
  void Product(const TrainingWeight& weight, const RowsBuffer& x, int rows, float* y) const override {
    Multiply(Whole(x), Transposed(RowsOf(weight)), rows, weight.n(), weight.k(), false, y);
  }
  void ProductInputGradient(const TrainingWeight& weight, const RowsBuffer& dy, int rows, bool add,
                            float* dx) const override {
    Multiply(Whole(dy), Whole(RowsOf(weight)), rows, weight.k(), weight.n(), add, dx);
  }
  void ProductWeightGradient(const RowsBuffer& dy, const RowsBuffer& x, int rows, float* dw) const override {
    Multiply(Transposed(dy), Whole(x), dy.width(), x.width(), rows, true, dw);
  }

  void Round(const float* from, ptrdiff_t stride, int rows, RowsBuffer& to) const override {
    Typed([&](auto element) {
      RoundKernel<decltype(element)> kernel;
      kernel.from = {from, rows > 0 ? static_cast<size_t>(rows - 1) * stride + to.width() : 0};
      kernel.to = Viewed<decltype(element)>(to);
      kernel.rows = rows;
      kernel.width = to.width();
      kernel.padded_width = PaddedWidth(to.width());
      kernel.stride = static_cast<size_t>(stride);
      Launch(kernel, Elementwise(Area(rows, to.width())));
    });
  }

  void Clear(float* x, size_t count) const override {
    if (count > 0 && Ready()) runtime_->Clear(x, count * sizeof(float));
  }

  void Embed(const float* table, std::span<const int32_t> tokens, int width, float* x) const override {
    if (tokens.empty()) return;
    EmbedKernel kernel;
    kernel.table = {table, Area(*std::ranges::max_element(tokens) + 1, width)};
    kernel.numbers = Sent(kNumbers, tokens);
    kernel.x = {x, Area(tokens.size(), width)};
    kernel.width = width;
    Launch(kernel, {static_cast<int>(tokens.size()), 1});
  }

  void EmbedGradient(std::span<const int32_t> tokens, int width, const float* dx, float* dtable) const override {
    if (tokens.empty()) return;
    const TokenGroups groups(tokens);
    EmbedGradientKernel kernel;
    kernel.dx = {dx, Area(tokens.size(), width)};
    kernel.dtable = {dtable, Area(groups.tokens.back() + 1, width)};
    kernel.order = Sent<int32_t>(kNumbers, groups.order);
    kernel.groups = Sent<int32_t>(kGroups, groups.begins);
    kernel.tokens = Sent<int32_t>(kValues, groups.tokens);
    kernel.width = width;
    Launch(kernel, {static_cast<int>(groups.tokens.size()), 1});
  }

  void Add(float* x, const float* y, size_t count) const override {
    AddKernel kernel;
    kernel.x = {x, count};
    kernel.y = {y, count};
    kernel.rows = 1;
    kernel.width = kernel.stride = static_cast<int>(count);
    Launch(kernel, Elementwise(count));
  }

  void AddBias(const float* bias, int width, int rows, float* y) const override {
    AddBiasKernel kernel;
    kernel.y = {y, Area(rows, width)};
    kernel.bias = {bias, Area(1, width)};
    kernel.rows = rows;
    kernel.width = width;
    Launch(kernel, Elementwise(kernel.y.size()));
  }

  void BiasGradient(const float* dy, int width, int rows, float* dbias) const override {
    ColumnSumsKernel kernel;
    kernel.y = {dy, Area(rows, width)};
    AddSums(kernel, rows, width, dbias);
  }

  void RmsNorm(const float* x, const float* gain, int width, float eps, int rows, RowsBuffer& out) const override {
    Typed([&](auto element) {
      RmsNormKernel<decltype(element)> kernel;
      kernel.x = {x, Area(rows, width)};
      kernel.gain = {gain, Area(1, width)};
      kernel.out = Viewed<decltype(element)>(out);
      kernel.width = width;
      kernel.padded_width = PaddedWidth(width);
      kernel.eps = eps;
      Launch(kernel, {rows, 1});
    });
  }

  void RmsNormGradient(const float* x, const float* gain, int width, float eps, int rows, const float* dout, float* dx,
                       float* dgain) const override {
    RmsNormGradientKernel kernel;
    kernel.x = {x, Area(rows, width)};
    kernel.gain = {gain, Area(1, width)};
    kernel.dout = {dout, kernel.x.size()};
    kernel.dx = {dx, kernel.x.size()};
    kernel.inverses = Scratch<float>(kRowValues, rows);
    kernel.width = width;
    kernel.eps = eps;
    Launch(kernel, {rows, 1});
    ColumnSumsKernel sums;
    sums.y = kernel.dout;
    sums.x = kernel.x;
    sums.scale = Read(kernel.inverses);
    AddSums(sums, rows, width, dgain);
  }

  void Rope(const Sequences& sequences, int heads, int head_dim, RopePairs pairs, const float* cosine,
            const float* sine, bool back, float* x, ptrdiff_t stride) const override {
    const int rows = sequences.begins.back();
    if (rows == 0) return;
    const std::vector<int32_t> positions = PositionsOf(sequences);
    RopeKernel kernel;
    kernel.x = {x, static_cast<size_t>(rows - 1) * stride + Area(heads, head_dim)};
    kernel.positions = Sent<int32_t>(kNumbers, positions);
    kernel.cosine = {cosine, Area(*std::ranges::max_element(positions) + 1, head_dim / 2)};
    kernel.sine = {sine, kernel.cosine.size()};
    kernel.pairs = pairs;
    kernel.heads = heads;
    kernel.head_dim = head_dim;
    kernel.back = back;
    kernel.stride = static_cast<size_t>(stride);
    Launch(kernel, {rows, 1});
  }

  void Attend(const AttentionShape& shape, const Sequences& sequences, int window, const float* qkv, float* out,
              float* log_sums) const override {
    if (!Serves(shape)) return;
    AttendSequencesKernel kernel;
    kernel.rows = RowsOf(shape, sequences, window, qkv);
    const int pieces = SendPieces(sequences, kPieceItems / shape.group(), kernel.rows);
    kernel.out = {out, Area(sequences.begins.back(), shape.heads * shape.head_dim)};
    kernel.log_sums = {log_sums, Area(sequences.begins.back(), shape.heads)};
    Launch(kernel, {shape.kv_heads, pieces});
  }

  void AttendGradient(const AttentionShape& shape, const Sequences& sequences, int window, const float* qkv,
                      const float* out, const float* log_sums, const float* dout, float* dqkv) const override {
    if (!Serves(shape)) return;
    const int rows = sequences.begins.back();
    QueryGradientKernel queries;
    queries.all.rows = RowsOf(shape, sequences, window, qkv);
    const int pieces = SendPieces(sequences, kPieceItems / shape.group(), queries.all.rows);
    queries.all.dout = {dout, Area(rows, shape.heads * shape.head_dim)};
    queries.all.log_sums = {log_sums, Area(rows, shape.heads)};
    queries.all.dqkv = {dqkv, queries.all.rows.qkv.size()};
    queries.out = {out, queries.all.dout.size()};
    queries.corrections = Scratch<float>(kRowValues, Area(rows, shape.heads));
    Launch(queries, {shape.kv_heads, pieces});
    KeyGradientKernel keys;
    keys.all = queries.all;
    keys.corrections = Read(queries.corrections);
    const int key_pieces = SendPieces(sequences, kPieceItems, keys.all.rows);
    Launch(keys, {shape.kv_heads, key_pieces});
  }

  void SwiGlu(const float* gate_up, int width, int rows, RowsBuffer& out) const override {
    Typed([&](auto element) {
      SwiGluKernel<decltype(element)> kernel;
      kernel.gate_up = {gate_up, Area(rows, 2 * width)};
      kernel.out = Viewed<decltype(element)>(out);
      kernel.rows = rows;
      kernel.width = kernel.run = width;
      kernel.stride = 2 * width;
      kernel.padded_width = PaddedWidth(width);
      Launch(kernel, Elementwise(Area(rows, width)));
    });
  }

  void SwiGluGradient(const float* gate_up, const float* dout, int width, int rows, float* dgate_up) const override {
    SwiGluGradientKernel kernel;
    kernel.gate_up = {gate_up, Area(rows, 2 * width)};
    kernel.dout = {dout, Area(rows, width)};
    kernel.dgate_up = {dgate_up, kernel.gate_up.size()};
    kernel.rows = rows;
    kernel.width = width;
    Launch(kernel, Elementwise(kernel.dout.size()));
  }

  void CrossEntropy(const float* logits, int vocabulary, std::span<const int32_t> targets,
                    std::span<const float> weights, double* losses, RowsBuffer* dlogits) const override {
    const size_t rows = targets.size();
    Typed([&](auto element) {
      CrossEntropyKernel<decltype(element)> kernel;
      kernel.logits = {logits, Area(rows, vocabulary)};
      kernel.targets = Sent(kNumbers, targets);
      kernel.weights = Sent(kWeights, weights);
      kernel.largest = Scratch<float>(kRowValues, rows);
      kernel.chosen = Scratch<float>(kChosen, rows);
      kernel.sums = Scratch<double>(kSums, rows);
      if (dlogits != nullptr) kernel.dlogits = Viewed<decltype(element)>(*dlogits);
      kernel.vocabulary = vocabulary;
      kernel.padded_vocabulary = PaddedWidth(vocabulary);
      Launch(kernel, {static_cast<int>(rows), 1});
      const std::vector<float> largest = Fetched(kernel.largest), chosen = Fetched(kernel.chosen);
      const std::vector<double> sums = Fetched(kernel.sums);
      for (size_t r = 0; r < rows; ++r) losses[r] = double{largest[r]} + std::log(sums[r]) - chosen[r];
    });
  }

  double SquaredNorm(const float* x, size_t count) const override {
    SquaresKernel kernel;
    kernel.x = {x, count};
    kernel.sums = Scratch<double>(kSums, (count + kRun - 1) / kRun);
    kernel.run = kRun;
    Launch(kernel, {static_cast<int>(kernel.sums.size()), 1});
    const std::vector<double> sums = Fetched(kernel.sums);
    return std::accumulate(sums.begin(), sums.end(), 0.0);
  }

  void Step(const AdamW& settings, size_t count, const float* gradient, float* w, float* m, float* v) const override {
    const auto correction = [&](double beta) {
      return static_cast<float>(1 / (1 - std::pow(beta, static_cast<double>(settings.step))));
    };
    AdamWKernel kernel;
    kernel.gradient = {gradient, count};
    kernel.w = {w, count};
    kernel.m = {m, count};
    kernel.v = {v, count};
    kernel.scale = settings.gradient_scale;
    kernel.beta1 = settings.beta1;
    kernel.beta2 = settings.beta2;
    kernel.rest1 = 1 - settings.beta1;
    kernel.rest2 = 1 - settings.beta2;
    kernel.rate = settings.rate;
    kernel.decay = settings.rate * settings.decay;
    kernel.first = correction(settings.beta1);
    kernel.second = correction(settings.beta2);
    kernel.epsilon = settings.epsilon;
    Launch(kernel, Elementwise(count));
  }

 private:
  struct Weight : TrainingWeight {
    Weight(Type type, int n, int k, TrainingMemory& memory) : TrainingWeight(n, k), rows(type, n, k, memory) {}
    RowsBuffer rows;
  };
  // Small arrays of the device that grow as they are needed.
  enum Slot : uint8_t { kNumbers, kGroups, kValues, kSights, kPieces, kWeights, kRowValues, kChosen, kSums, kSlots };
  bool Ready() const { return status().ok(); }
  bool Serves(const AttentionShape& shape) const {
    if (status_.ok() && !AttendSequencesKernel::Serves(shape)) {
      status_ =
          InvalidInput("attention with heads of width {} and {} queries a key: a CUDA device trains up to {} and {}",
                       shape.head_dim, shape.group(), kMostHeadDim, kPieceItems);
    }
    return status_.ok();
  }

  template <class Kernel>
  void Launch(const Kernel& kernel, Dim blocks) const {
    if (blocks.x > 0 && blocks.y > 0 && Ready()) runtime_->Launch(kernel, blocks);
  }
  static Dim Elementwise(size_t count) { return {static_cast<int>((count + kThreads - 1) / kThreads), 1}; }
  static size_t Area(size_t rows, int width) { return rows * static_cast<size_t>(width); }

  template <class Fn>
  void Typed(Fn fn) const {
    if (type() == Type::kFloat32) {
      fn(float{});
    } else {
      fn(uint16_t{});
    }
  }

  template <class T>
  static View<T> Viewed(const RowsBuffer& rows) {
    return {static_cast<T*>(rows.row(0)), rows.rows() * rows.stride_bytes() / sizeof(T)};
  }
  template <class T>
  static View<const T> Read(const View<T>& view) {
    return {view.size() > 0 ? &view[0] : nullptr, view.size()};
  }
  static const RowsBuffer& RowsOf(const TrainingWeight& weight) { return static_cast<const Weight&>(weight).rows; }
  static Factor Whole(const RowsBuffer& rows) { return {rows.row(0), PaddedWidth(rows.width()), false}; }
  static Factor Transposed(const RowsBuffer& rows) { return {rows.row(0), PaddedWidth(rows.width()), true}; }
  void Multiply(const Factor& a, const Factor& b, int m, int n, int k, bool add, float* c) const {
    if (m > 0 && n > 0 && k > 0 && Ready()) products_->Multiply(a, b, m, n, k, add, c);
  }

  template <class T>
  View<T> Scratch(Slot number, size_t count) const {
    return {static_cast<T*>(slots_[number].AtLeast(device_, count * sizeof(T))), count};
  }
  template <class T>
  View<const T> Sent(Slot slot, std::span<const T> values) const {
    const View<T> view = Scratch<T>(slot, values.size());
    if (!values.empty() && Ready()) runtime_->Upload(values.data(), &view[0], values.size_bytes());
    return Read(view);
  }
  template <class T>
  std::vector<T> Fetched(const View<T>& from) const {
    std::vector<T> values(from.size());
    if (!values.empty() && Ready()) runtime_->Download(&from[0], values.data(), values.size() * sizeof(T));
    return values;
  }

  void AddSums(ColumnSumsKernel& kernel, int rows, int width, float* sums) const {
    kernel.sums = {sums, Area(1, width)};
    kernel.rows = rows;
    kernel.width = width;
    Launch(kernel, {(width + kWarp - 1) / kWarp, 1});
  }

  SequenceRows RowsOf(const AttentionShape& shape, const Sequences& sequences, int window, const float* qkv) const {
    SequenceRows rows;
    rows.qkv = {qkv, Area(sequences.begins.back(), (shape.heads + 2 * shape.kv_heads) * shape.head_dim)};
    rows.sights = Sent<int32_t>(kSights, SightsOf(sequences, window));
    rows.shape = shape;
    rows.scale = 1 / std::sqrt(static_cast<float>(shape.head_dim));
    return rows;
  }

  // Returns how many there are.
  int SendPieces(const Sequences& sequences, int most, SequenceRows& rows) const {
    const std::vector<int32_t> pieces = PiecesOf(sequences, most);
    rows.pieces = Sent<int32_t>(kPieces, pieces);
    return static_cast<int>(pieces.size() / 4);
  }

  mutable Status status_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<TrainingProducts> products_;
  mutable RuntimeMemory<Runtime> shared_, device_;
  mutable GrowingArray slots_[kSlots];
};

}  // namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE
