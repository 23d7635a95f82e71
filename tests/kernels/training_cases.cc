// SPDX-License-Identifier: Apache-2.0
#include "tests/kernels/training_cases.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "kernels/bfloat16.h"

namespace orrery::kernels {
namespace {

constexpr int kRows = kCaseRows, kWidth = kCaseWidth;

struct Results {
  std::vector<TrainingResult> all;
  void Add(std::string name, Floats values, bool product = false) {
    all.push_back({std::move(name), product, std::move(values)});
  }
};

void Products(const TrainingOps& ops, Results& results) {
  constexpr int kN = 100, kK = 72;
  const Held w(ops, NormalFloats(kN * kK, 1, 0.3f)), x(ops, NormalFloats(kRows * kK, 2)),
      dy(ops, NormalFloats(kRows * kN, 3));
  const auto weight = ops.NewWeight(kN, kK);
  ops.SetWeight(*weight, w);
  const RowsBuffer x_rows = HeldRows(ops, x, kRows, kK), dy_rows = HeldRows(ops, dy, kRows, kN);
  const Held y(ops, Floats(kRows * kN)), dx(ops, NormalFloats(kRows * kK, 4)), dx_new(ops, Floats(kRows * kK)),
      dw(ops, NormalFloats(kN * kK, 5));
  ops.Product(*weight, x_rows, kRows, y);
  ops.ProductInputGradient(*weight, dy_rows, kRows, true, dx);
  ops.ProductInputGradient(*weight, dy_rows, kRows, false, dx_new);
  ops.ProductWeightGradient(dy_rows, x_rows, kRows, dw);
  results.Add("product", y.Values(), true);
  results.Add("product dx, added", dx.Values(), true);
  results.Add("product dx", dx_new.Values(), true);
  results.Add("product dw", dw.Values(), true);
  results.Add("rounded", Values(ops, x_rows, kRows));
}

void Norms(const TrainingOps& ops, Results& results) {
  const Held x(ops, NormalFloats(kRows * kWidth, 11)), gain(ops, NormalFloats(kWidth, 12)),
      dout(ops, NormalFloats(kRows * kWidth, 13));
  const Held dx(ops, NormalFloats(kRows * kWidth, 14)), dgain(ops, NormalFloats(kWidth, 15)),
      dbias(ops, NormalFloats(kWidth, 16)), biased(ops, x.Values()), added(ops, x.Values());
  RowsBuffer out(ops.type(), kRows, kWidth, ops.memory());
  ops.RmsNorm(x, gain, kWidth, 1e-5f, kRows, out);
  ops.RmsNormGradient(x, gain, kWidth, 1e-5f, kRows, dout, dx, dgain);
  ops.BiasGradient(dout, kWidth, kRows, dbias);
  ops.AddBias(gain, kWidth, kRows, biased);
  ops.Add(added, dout, kRows * kWidth);
  ops.Clear(added, kWidth);
  results.Add("norm", Values(ops, out, kRows));
  results.Add("norm dx", dx.Values());
  results.Add("norm dgain", dgain.Values());
  results.Add("bias gradient", dbias.Values());
  results.Add("biased", biased.Values());
  results.Add("added and cleared", added.Values());

  const Held gate_up(ops, NormalFloats(kRows * 2 * kWidth, 17, 3)), dgate_up(ops, Floats(kRows * 2 * kWidth));
  ops.SwiGlu(gate_up, kWidth, kRows, out);
  ops.SwiGluGradient(gate_up, dout, kWidth, kRows, dgate_up);
  results.Add("swiglu", Values(ops, out, kRows));
  results.Add("swiglu gradient", dgate_up.Values());
}

void Tables(const TrainingOps& ops, Results& results) {
  std::vector<int32_t> tokens(kRows);
  for (int r = 0; r < kRows; ++r) tokens[r] = r * 7 % 13;
  const Held table(ops, NormalFloats(13 * kWidth, 18)), dtable(ops, NormalFloats(13 * kWidth, 19)),
      dout(ops, NormalFloats(kRows * kWidth, 13)), embedded(ops, Floats(kRows * kWidth));
  ops.Embed(table, tokens, kWidth, embedded);
  ops.EmbedGradient(tokens, kWidth, dout, dtable);
  results.Add("embedded", embedded.Values());
  results.Add("table gradient", dtable.Values());

  Floats cosines(64 * 8), sines(64 * 8);
  for (size_t i = 0; i < cosines.size(); ++i)
    cosines[i] = std::cos(0.1f * static_cast<float>(i)), sines[i] = std::sin(0.1f * static_cast<float>(i));
  const Held cosine(ops, cosines), sine(ops, sines), turned(ops, NormalFloats(kRows * kCaseQkv, 20));
  const CaseTree tree;
  ops.Rope(tree.sequences(), 8, 16, RopePairs::kHalves, cosine, sine, false, turned, kCaseQkv);
  ops.Rope({kCaseBegins}, 7, 16, RopePairs::kInterleaved, cosine, sine, true, turned, kCaseQkv);
  results.Add("turned", turned.Values());
}

void Attention(const TrainingOps& ops, const AttentionShape& shape, const Sequences& sequences, int window,
               Results& results) {
  const int qkv_width = (shape.heads + 2 * shape.kv_heads) * shape.head_dim, out_width = shape.heads * shape.head_dim;
  const Held qkv(ops, NormalFloats(size_t(kRows) * qkv_width, 21)),
      dout(ops, NormalFloats(size_t(kRows) * out_width, 22)), out(ops, Floats(size_t(kRows) * out_width)),
      sums(ops, Floats(size_t(kRows) * shape.heads)), dqkv(ops, Floats(size_t(kRows) * qkv_width, 1e9f));
  ops.Attend(shape, sequences, window, qkv, out, sums);
  ops.AttendGradient(shape, sequences, window, qkv, out, sums, dout, dqkv);
  const std::string name = " of heads of " + std::to_string(shape.head_dim) + ", window " + std::to_string(window) +
                           (sequences.branches.empty() ? "" : ", branches");
  results.Add("attended" + name, out.Values());
  results.Add("sums" + name, sums.Values());
  results.Add("gradient" + name, dqkv.Values());
}

void Loss(const TrainingOps& ops, int vocabulary, Results& results) {
  const Held logits(ops, NormalFloats(size_t(kRows) * vocabulary, 31, 4));
  std::vector<int32_t> targets(kRows);
  Floats weights(kRows);
  for (int r = 0; r < kRows; ++r) targets[r] = r * 37 % vocabulary, weights[r] = 0.01f * static_cast<float>(r);
  std::vector<double> losses(kRows);
  RowsBuffer dlogits(ops.type(), kRows, vocabulary, ops.memory());
  ops.CrossEntropy(logits, vocabulary, targets, weights, losses.data(), &dlogits);
  const std::string name = " over " + std::to_string(vocabulary);
  results.Add("losses" + name, Floats(losses.begin(), losses.end()));
  results.Add("logits gradient" + name, Values(ops, dlogits, kRows));
}

void Step(const TrainingOps& ops, Results& results) {
  Floats squares = NormalFloats(1003, 43);
  for (float& value : squares) value *= value;
  const Held w(ops, NormalFloats(1003, 41)), m(ops, NormalFloats(1003, 42, 0.1f)), v(ops, squares),
      gradient(ops, NormalFloats(1003, 44)), many(ops, NormalFloats(70001, 45));
  ops.Step({.rate = 0.01f, .decay = 0.1f, .step = 3, .gradient_scale = 0.5f}, 1003, gradient, w, m, v);
  results.Add("w", w.Values());
  results.Add("m", m.Values());
  results.Add("v", v.Values());
  const double norm = ops.SquaredNorm(many, 70001);
  results.Add("norm of many", {static_cast<float>(norm), static_cast<float>(norm - static_cast<float>(norm))});
}

}  // namespace

Floats NormalFloats(size_t count, uint32_t seed, float scale) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  Floats values(count);
  for (float& value : values) value = normal(random);
  return values;
}

Held::Held(const TrainingOps& ops, const Floats& values)
    : ops_(ops), count_(values.size()), data_(static_cast<float*>(ops.memory().Allocate(count_ * sizeof(float)))) {
  std::ranges::copy(values, data_);
}

Held::~Held() { ops_.memory().Free(data_, count_ * sizeof(float)); }

Floats Held::Values() const {
  ops_.Finish();
  return {data_, data_ + count_};
}

RowsBuffer HeldRows(const TrainingOps& ops, const Held& values, int rows, int width) {
  RowsBuffer buffer(ops.type(), rows, width, ops.memory());
  ops.Round(values, width, rows, buffer);
  return buffer;
}

Floats Values(const TrainingOps& ops, const RowsBuffer& buffer, int rows) {
  ops.Finish();
  Floats values;
  for (int r = 0; r < rows; ++r) {
    for (int i = 0; i < buffer.width(); ++i) {
      values.push_back(buffer.type() == Type::kFloat32 ? static_cast<float*>(buffer.row(r))[i]
                                                       : FromBfloat16(static_cast<uint16_t*>(buffer.row(r))[i]));
    }
  }
  return values;
}

std::vector<TrainingResult> RunTrainingCases(const TrainingOps& ops) {
  Results results;
  Products(ops, results);
  Norms(ops, results);
  Tables(ops, results);
  const CaseTree tree;
  Attention(ops, kCaseShape, {kCaseBegins}, 0, results);
  Attention(ops, kCaseShape, {kCaseBegins}, 5, results);
  Attention(ops, kCaseShape, tree.sequences(), 0, results);
  Attention(ops, {7, 1, 64}, tree.sequences(), 0, results);
  Attention(ops, {2, 2, 128}, {kCaseBegins}, 33, results);
  Loss(ops, 131, results);
  Loss(ops, 700, results);
  Step(ops, results);
  return std::move(results.all);
}

}  // namespace orrery::kernels
