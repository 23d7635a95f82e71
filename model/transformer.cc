// SPDX-License-Identifier: Apache-2.0
#include "model/transformer.h"

#include <algorithm>
#include <utility>

#include "model/rope_angles.h"

namespace orrery::model {
namespace {

using kernels::Buffer;
using kernels::Device;
using kernels::PaddedWidth;
using kernels::Type;

}  // namespace

struct Transformer::Buffers {
  Buffers(const Weights& weights, Device& device, int pages, int max_rows)
      : rows(device.PaddedRows(std::max(max_rows, kLogitRows))),
        qkv_stride(Device::OutputStride(*weights.layers.front().qkv)),
        layer_bytes(device.PageBytes(weights.shape.attention)),
        page_bytes(PageBytes(weights.shape, device)),
        x(device.NewBuffer(Type::kFloat32, size_t(rows) * weights.shape.width)),
        normed(device.NewBuffer(device.type(), size_t(rows) * PaddedWidth(weights.shape.width))),
        qkv(device.NewBuffer(Type::kFloat32, size_t(rows) * qkv_stride)),
        attended(device.NewBuffer(device.type(), size_t(rows) * PaddedWidth(weights.shape.query_width()))),
        activated(device.NewBuffer(device.type(), size_t(rows) * PaddedWidth(weights.shape.feed_forward))),
        logits(
            device.NewBuffer(Type::kFloat32, size_t(device.PaddedRows(kLogitRows)) *
                                                 Device::OutputStride(weights.head ? *weights.head : *weights.score))),
        kv(device.NewBuffer(device.type(), page_bytes * pages / Size(device.type()))) {}

  int rows, qkv_stride;
  size_t layer_bytes, page_bytes;
  std::unique_ptr<Buffer> x, normed, qkv, attended, activated, logits, kv;
  std::unique_ptr<Buffer> cosine, sine;
};

size_t Transformer::PageBytes(const ModelShape& shape, const Device& device) {
  return device.PageBytes(shape.attention) * shape.layers;
}

uint64_t Transformer::WorkBytes(const ModelShape& shape, int max_rows) {
  const uint64_t rows = kernels::PaddedRows(std::max(max_rows, kLogitRows));
  const uint64_t widths =
      3 * uint64_t(shape.width) + 3 * uint64_t(shape.query_width()) + uint64_t(shape.feed_forward) + 2048;
  return sizeof(float) * (rows * widths + uint64_t{kLogitRows} * shape.vocabulary +
                          uint64_t(shape.context_length) * shape.attention.head_dim);
}

Transformer::Transformer(Weights weights, Device& device, int pages, int max_rows)
    : weights_(std::move(weights)),
      device_(device),
      buffers_(std::make_unique<Buffers>(weights_, device, pages, max_rows)) {
  const RopeAngles angles = AnglesOf(shape(), shape().context_length);
  const auto upload = [&](const std::vector<float>& values) {
    auto buffer = device_.NewBuffer(Type::kFloat32, values.size());
    device_.Upload(values.data(), values.size() * sizeof(float), *buffer, 0);
    return buffer;
  };
  buffers_->cosine = upload(angles.cosine);
  buffers_->sine = upload(angles.sine);
}

Transformer::~Transformer() = default;

void Transformer::Forward(std::span<const BatchRow> rows, const LogitsReader& logits, const LogitsReader& scores) {
  const int count = static_cast<int>(rows.size());
  Begin(rows);
  for (int i = 0; i < shape().layers; ++i) {
    Attention(count, i);
    FeedForward(count, weights_.layers[i]);
  }
  std::vector<int32_t> predicting, scored;
  for (int r = 0; r < count; ++r) {
    if (rows[r].wants_logits) predicting.push_back(r);
    if (rows[r].wants_score) scored.push_back(r);
  }
  if (!predicting.empty()) Outputs(*weights_.head, predicting, logits);
  if (!scored.empty()) Outputs(*weights_.score, scored, scores);
}

void Transformer::Begin(std::span<const BatchRow> rows) {
  std::vector<int32_t> tokens, positions;
  std::vector<const int32_t*> pages;
  for (const BatchRow& row : rows) {
    tokens.push_back(row.token);
    positions.push_back(row.position);
    pages.push_back(row.pages);
  }
  device_.SetBatch({positions, pages});
  device_.Embed(*weights_.embedding, tokens, shape().width, *buffers_->x);
}

void Transformer::Attention(int rows, int number) {
  const LayerWeights& layer = weights_.layers[number];
  Buffers& b = *buffers_;
  const kernels::KvLayer kv = {b.kv.get(), b.layer_bytes * number, b.page_bytes};
  device_.RmsNorm(*b.x, *layer.attention_norm, shape().width, shape().norm_epsilon, rows, nullptr, *b.normed);
  device_.Product(*layer.qkv, *b.normed, rows, *b.qkv);
  device_.RotateAndStore(shape().attention, layer.qkv_bias.get(), {b.cosine.get(), b.sine.get(), shape().pairs}, *b.qkv,
                         b.qkv_stride, kv);
  device_.Attend(shape().attention, shape().window, *b.qkv, b.qkv_stride, kv, *b.attended);
  device_.AddProduct(*layer.output, *b.attended, rows, *b.x);
}

void Transformer::FeedForward(int rows, const LayerWeights& layer) {
  Buffers& b = *buffers_;
  device_.RmsNorm(*b.x, *layer.feed_forward_norm, shape().width, shape().norm_epsilon, rows, nullptr, *b.normed);
  device_.SwiGluProduct(*layer.gate_up, *b.normed, rows, kGateRun, *b.activated);
  device_.AddProduct(*layer.down, *b.activated, rows, *b.x);
}

void Transformer::Outputs(const kernels::WeightMatrix& matrix, std::span<const int32_t> wanted,
                          const LogitsReader& reader) {
  Buffers& b = *buffers_;
  const int stride = Device::OutputStride(matrix);
  for (int first = 0; first < static_cast<int>(wanted.size()); first += kLogitRows) {
    const int count = std::min<int>(kLogitRows, static_cast<int>(wanted.size()) - first);
    device_.RmsNorm(*b.x, *weights_.final_norm, shape().width, shape().norm_epsilon, count, &wanted[first], *b.normed);
    device_.Product(matrix, *b.normed, count, *b.logits);
    reader(first, count, device_.HostView(*b.logits, size_t(count) * stride), stride);
  }
}

void Transformer::ClearPage(int32_t page) { device_.ClearPage(*buffers_->kv, buffers_->page_bytes, page); }

void Transformer::CopyPage(int32_t from, int32_t to, int slots) {
  device_.CopyPage(shape().attention, shape().layers, *buffers_->kv, buffers_->page_bytes, from, to, slots);
}

}  // namespace orrery::model
