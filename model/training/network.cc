// SPDX-License-Identifier: Apache-2.0
#include "model/training/network.h"

#include <algorithm>

#include "model/rope_angles.h"

namespace orrery::model {
namespace {

using kernels::RowsBuffer;
using kernels::TrainingMemory;
using kernels::TrainingWeight;

constexpr int kHeadRows = 256;  // logits of so many rows are made at a time

}  // namespace

// What a layer's backward pass needs beside its input.
struct Network::Layer {
  Layer(const ModelShape& shape, kernels::Type type, int rows, TrainingMemory& memory)
      : normed(type, rows, shape.width, memory),
        attended_rows(type, rows, shape.query_width(), memory),
        feed_normed(type, rows, shape.width, memory),
        activated(type, rows, shape.feed_forward, memory),
        qkv(size_t(rows) * (shape.query_width() + 2 * shape.key_width()), memory),
        attended(size_t(rows) * shape.query_width(), memory),
        log_sums(size_t(rows) * shape.attention.heads, memory),
        middle(size_t(rows) * shape.width, memory),
        gate_up(size_t(rows) * 2 * shape.feed_forward, memory) {}

  RowsBuffer normed, attended_rows, feed_normed, activated;
  FloatArray qkv, attended, log_sums, middle, gate_up;
};

// The matrices of a layer as products read them.
struct Network::Weights {
  Weights(const ModelShape& shape, const kernels::TrainingOps& ops)
      : qkv(ops.NewWeight(shape.query_width() + 2 * shape.key_width(), shape.width)),
        output(ops.NewWeight(shape.width, shape.query_width())),
        gate_up(ops.NewWeight(2 * shape.feed_forward, shape.width)),
        down(ops.NewWeight(shape.width, shape.feed_forward)) {}

  std::unique_ptr<TrainingWeight> qkv, output, gate_up, down;
};

struct Network::Buffers {
  Buffers(const ModelShape& shape, const kernels::TrainingOps& ops, const NetworkOptions& options)
      : inputs(size_t(shape.layers + 1) * options.max_rows * shape.width, ops.memory()),
        gradient(size_t(options.max_rows) * shape.width, ops.memory()),
        width_rows(ops.type(), options.max_rows, shape.width, ops.memory()),
        qkv_rows(ops.type(), options.max_rows, shape.query_width() + 2 * shape.key_width(), ops.memory()),
        feed_rows(ops.type(), options.max_rows, 2 * shape.feed_forward, ops.memory()),
        wide(size_t(options.max_rows) * 2 * shape.feed_forward, ops.memory()),
        narrow(size_t(options.max_rows) * std::max({shape.feed_forward, shape.query_width(), shape.width}),
               ops.memory()),
        dqkv(size_t(options.max_rows) * (shape.query_width() + 2 * shape.key_width()), ops.memory()),
        logits(size_t(kHeadRows) * shape.outputs(), ops.memory()),
        logit_rows(ops.type(), kHeadRows, shape.outputs(), ops.memory()),
        head_normed(ops.type(), kHeadRows, shape.width, ops.memory()),
        head_x(size_t(kHeadRows) * shape.width, ops.memory()),
        head_dx(size_t(kHeadRows) * shape.width, ops.memory()),
        head_dnormed(size_t(kHeadRows) * shape.width, ops.memory()) {
    const RopeAngles angles = AnglesOf(shape, std::min(options.max_rows, shape.context_length));
    cosine = FloatArray(angles.cosine.size(), ops.memory());
    sine = FloatArray(angles.sine.size(), ops.memory());
    std::ranges::copy(angles.cosine, cosine.at(0));
    std::ranges::copy(angles.sine, sine.at(0));
    const int kept = options.checkpointing ? 1 : shape.layers;
    for (int i = 0; i < kept; ++i) {
      layers.push_back(std::make_unique<Layer>(shape, ops.type(), options.max_rows, ops.memory()));
      weights.emplace_back(shape, ops);
    }
    head = ops.NewWeight(shape.outputs(), shape.width);
  }

  Layer& Of(int number) { return *layers[layers.size() == 1 ? 0 : number]; }

  std::vector<Weights> weights;
  int made = -1;  // with checkpointing: the layer whose weights there are
  std::unique_ptr<TrainingWeight> head;
  FloatArray cosine, sine;  // of every position
  std::vector<std::unique_ptr<Layer>> layers;
  FloatArray inputs;  // of each layer, and the last one's output
  FloatArray gradient;
  RowsBuffer width_rows, qkv_rows, feed_rows;
  FloatArray wide, narrow, dqkv;
  FloatArray logits;
  RowsBuffer logit_rows, head_normed;
  FloatArray head_x, head_dx, head_dnormed;
};

uint64_t TrainingBytes(const ModelShape& shape, bool tied, kernels::Type type, const NetworkOptions& options,
                       uint64_t arrays) {
  const auto width = static_cast<uint64_t>(shape.width), forward = static_cast<uint64_t>(shape.feed_forward);
  const auto queries = static_cast<uint64_t>(shape.query_width()), layers = static_cast<uint64_t>(shape.layers);
  const uint64_t qkv = queries + 2 * static_cast<uint64_t>(shape.key_width()), element = kernels::Size(type);
  const uint64_t table = static_cast<uint64_t>(shape.vocabulary) * width;
  const uint64_t matrices = qkv * width + width * queries + 3 * forward * width;  // of a layer
  const uint64_t head = static_cast<uint64_t>(shape.outputs()) * width, products = layers * matrices + head;
  const uint64_t frozen = options.freeze_embeddings ? (arrays - 1) * table : 0;
  const uint64_t parameters = sizeof(float) * (arrays * (products + (tied && !shape.scores() ? 0 : table)) - frozen);
  const uint64_t layer =
      element * (2 * width + queries + forward) + sizeof(float) * (qkv + queries + width + 2 * forward);
  const uint64_t kept_layers = options.checkpointing ? 1 : layers;
  const uint64_t kept = kept_layers * layer + sizeof(float) * (layers + 1) * width;
  const uint64_t scratch =
      element * (width + qkv + 2 * forward) + sizeof(float) * (width + 2 * forward + forward + qkv);
  const uint64_t packed = 2 * element * (kept_layers * matrices + head);
  return parameters + packed + static_cast<uint64_t>(options.max_rows) * (kept + scratch) +
         kHeadRows * static_cast<uint64_t>(shape.outputs()) * (sizeof(float) + element);
}

Network::Network(const ModelShape& shape, Parameters& parameters, const kernels::TrainingOps& ops,
                 const NetworkOptions& options)
    : shape_(shape),
      parameters_(parameters),
      ops_(ops),
      options_(options),
      buffers_(std::make_unique<Buffers>(shape, ops, options)) {
  Refresh();
}

Network::~Network() = default;

void Network::Refresh(ValueSource source) {
  source_ = std::move(source);
  buffers_->made = -1;
  if (!options_.checkpointing) {
    for (int i = 0; i < shape_.layers; ++i) Set(buffers_->weights[i], i);
  }
  Set(*buffers_->head, parameters_.head());
}

void Network::Set(TrainingWeight& weight, size_t offset) {
  const size_t count = size_t(weight.n()) * weight.k();
  ops_.SetWeight(weight, source_ ? source_(offset, count) : parameters_.values.at(offset));
}

void Network::Set(Weights& weights, int number) {
  const LayerOffsets& at = parameters_.layer(number);
  Set(*weights.qkv, at.qkv);
  Set(*weights.output, at.output);
  Set(*weights.gate_up, at.gate_up);
  Set(*weights.down, at.down);
}

const Network::Weights& Network::WeightsOf(int number) {
  if (!options_.checkpointing) return buffers_->weights[number];
  if (buffers_->made != number) Set(buffers_->weights[0], number);
  buffers_->made = number;
  return buffers_->weights[0];
}

float* Network::LayerInput(int number) {
  return buffers_->inputs.at(size_t(number) * options_.max_rows * shape_.width);
}

const float* Network::hidden() const { return const_cast<Network*>(this)->LayerInput(shape_.layers); }
float* Network::hidden_gradient() { return buffers_->gradient.at(0); }

void Network::Forward(std::span<const int32_t> tokens, const kernels::Sequences& sequences) {
  tokens_.assign(tokens.begin(), tokens.end());
  begins_.assign(sequences.begins.begin(), sequences.begins.end());
  prefixes_.assign(sequences.prefixes.begin(), sequences.prefixes.end());
  branches_.assign(sequences.branches.begin(), sequences.branches.end());
  ops_.Embed(parameters_.values.at(parameters_.embedding()), tokens_, shape_.width, LayerInput(0));
  for (int i = 0; i < shape_.layers; ++i) ForwardLayer(i, LayerInput(i), buffers_->Of(i), LayerInput(i + 1));
  ops_.Clear(hidden_gradient(), tokens_.size() * shape_.width);
}

void Network::ForwardLayer(int number, const float* x, Layer& layer, float* out) {
  Buffers& b = *buffers_;
  const Weights& weights = WeightsOf(number);
  const LayerOffsets& at = parameters_.layer(number);
  const auto value = [this](size_t offset) { return parameters_.values.at(offset); };
  const int rows = static_cast<int>(tokens_.size()), width = shape_.width;
  const int qkv_width = shape_.query_width() + 2 * shape_.key_width();
  const kernels::AttentionShape& attention = shape_.attention;
  const size_t count = size_t(rows) * width;

  ops_.RmsNorm(x, value(at.attention_norm), width, shape_.norm_epsilon, rows, layer.normed);
  ops_.Product(*weights.qkv, layer.normed, rows, layer.qkv.at(0));
  if (shape_.qkv_bias) ops_.AddBias(value(at.qkv_bias), qkv_width, rows, layer.qkv.at(0));
  ops_.Rope(Batch(), attention.heads + attention.kv_heads, attention.head_dim, shape_.pairs, b.cosine.at(0),
            b.sine.at(0), false, layer.qkv.at(0), qkv_width);
  ops_.Attend(attention, Batch(), shape_.window, layer.qkv.at(0), layer.attended.at(0), layer.log_sums.at(0));
  ops_.Round(layer.attended.at(0), shape_.query_width(), rows, layer.attended_rows);
  ops_.Product(*weights.output, layer.attended_rows, rows, layer.middle.at(0));
  ops_.Add(layer.middle.at(0), x, count);

  ops_.RmsNorm(layer.middle.at(0), value(at.feed_forward_norm), width, shape_.norm_epsilon, rows, layer.feed_normed);
  ops_.Product(*weights.gate_up, layer.feed_normed, rows, layer.gate_up.at(0));
  ops_.SwiGlu(layer.gate_up.at(0), shape_.feed_forward, rows, layer.activated);
  if (out == nullptr) return;
  ops_.Product(*weights.down, layer.activated, rows, out);
  ops_.Add(out, layer.middle.at(0), count);
}

void Network::Backward() {
  for (int i = shape_.layers - 1; i >= 0; --i) {
    Layer& layer = buffers_->Of(i);
    if (options_.checkpointing) ForwardLayer(i, LayerInput(i), layer, nullptr);
    BackwardLayer(i, LayerInput(i), layer);
  }
  if (!options_.freeze_embeddings)
    ops_.EmbedGradient(tokens_, shape_.width, hidden_gradient(), parameters_.gradients.at(parameters_.embedding()));
}

void Network::BackwardLayer(int number, const float* x, Layer& layer) {
  Buffers& b = *buffers_;
  const Weights& weights = WeightsOf(number);
  const LayerOffsets& at = parameters_.layer(number);
  const auto value = [this](size_t offset) { return parameters_.values.at(offset); };
  const auto gradient = [this](size_t offset) { return parameters_.gradients.at(offset); };
  const int rows = static_cast<int>(tokens_.size()), width = shape_.width;
  const int qkv_width = shape_.query_width() + 2 * shape_.key_width();
  const kernels::AttentionShape& attention = shape_.attention;
  float *dx = hidden_gradient(), *narrow = b.narrow.at(0);

  ops_.Round(dx, width, rows, b.width_rows);
  ops_.ProductWeightGradient(b.width_rows, layer.activated, rows, gradient(at.down));
  ops_.ProductInputGradient(*weights.down, b.width_rows, rows, false, narrow);
  ops_.SwiGluGradient(layer.gate_up.at(0), narrow, shape_.feed_forward, rows, b.wide.at(0));
  ops_.Round(b.wide.at(0), 2 * shape_.feed_forward, rows, b.feed_rows);
  ops_.ProductWeightGradient(b.feed_rows, layer.feed_normed, rows, gradient(at.gate_up));
  ops_.ProductInputGradient(*weights.gate_up, b.feed_rows, rows, false, narrow);
  ops_.RmsNormGradient(layer.middle.at(0), value(at.feed_forward_norm), width, shape_.norm_epsilon, rows, narrow, dx,
                       gradient(at.feed_forward_norm));

  ops_.Round(dx, width, rows, b.width_rows);
  ops_.ProductWeightGradient(b.width_rows, layer.attended_rows, rows, gradient(at.output));
  ops_.ProductInputGradient(*weights.output, b.width_rows, rows, false, narrow);
  ops_.AttendGradient(attention, Batch(), shape_.window, layer.qkv.at(0), layer.attended.at(0), layer.log_sums.at(0),
                      narrow, b.dqkv.at(0));
  ops_.Rope(Batch(), attention.heads + attention.kv_heads, attention.head_dim, shape_.pairs, b.cosine.at(0),
            b.sine.at(0), true, b.dqkv.at(0), qkv_width);
  if (shape_.qkv_bias) ops_.BiasGradient(b.dqkv.at(0), qkv_width, rows, gradient(at.qkv_bias));
  ops_.Round(b.dqkv.at(0), qkv_width, rows, b.qkv_rows);
  ops_.ProductWeightGradient(b.qkv_rows, layer.normed, rows, gradient(at.qkv));
  ops_.ProductInputGradient(*weights.qkv, b.qkv_rows, rows, false, narrow);
  ops_.RmsNormGradient(x, value(at.attention_norm), width, shape_.norm_epsilon, rows, narrow, dx,
                       gradient(at.attention_norm));
}

void Network::HeadForward(std::span<const int32_t> which) {
  Buffers& b = *buffers_;
  const int count = static_cast<int>(which.size());
  ops_.Embed(hidden(), which, shape_.width, b.head_x.at(0));  // the rows that are meant
  ops_.RmsNorm(b.head_x.at(0), parameters_.values.at(parameters_.final_norm()), shape_.width, shape_.norm_epsilon,
               count, b.head_normed);
  ops_.Product(*b.head, b.head_normed, count, b.logits.at(0));
}

void Network::HeadBackward(std::span<const int32_t> which) {
  Buffers& b = *buffers_;
  const int count = static_cast<int>(which.size());
  if (!(options_.freeze_embeddings && parameters_.tied()))
    ops_.ProductWeightGradient(b.logit_rows, b.head_normed, count, parameters_.gradients.at(parameters_.head()));
  ops_.ProductInputGradient(*b.head, b.logit_rows, count, false, b.head_dnormed.at(0));
  ops_.Clear(b.head_dx.at(0), which.size() * shape_.width);
  ops_.RmsNormGradient(b.head_x.at(0), parameters_.values.at(parameters_.final_norm()), shape_.width,
                       shape_.norm_epsilon, count, b.head_dnormed.at(0), b.head_dx.at(0),
                       parameters_.gradients.at(parameters_.final_norm()));
  ops_.EmbedGradient(which, shape_.width, b.head_dx.at(0), hidden_gradient());
}

void Network::LanguageHead(std::span<const int32_t> which, std::span<const int32_t> targets,
                           std::span<const float> weights, bool gradient, double* losses) {
  Buffers& b = *buffers_;
  for (size_t first = 0; first < which.size(); first += kHeadRows) {
    const size_t count = std::min<size_t>(kHeadRows, which.size() - first);
    HeadForward(which.subspan(first, count));
    ops_.CrossEntropy(b.logits.at(0), shape_.vocabulary, targets.subspan(first, count), weights.subspan(first, count),
                      losses + first, gradient ? &b.logit_rows : nullptr);
    if (gradient) HeadBackward(which.subspan(first, count));
  }
}

void Network::Score(std::span<const int32_t> which, float* outputs) {
  for (size_t first = 0; first < which.size(); first += kHeadRows) {
    const size_t count = std::min<size_t>(kHeadRows, which.size() - first);
    HeadForward(which.subspan(first, count));
    ops_.Finish();
    std::copy_n(buffers_->logits.at(0), count, outputs + first);
  }
}

void Network::ScoreGradient(std::span<const int32_t> which, std::span<const float> doutputs) {
  for (size_t first = 0; first < which.size(); first += kHeadRows) {
    const size_t count = std::min<size_t>(kHeadRows, which.size() - first);
    HeadForward(which.subspan(first, count));
    ops_.Finish();
    std::copy_n(doutputs.data() + first, count, buffers_->logits.at(0));
    ops_.Round(buffers_->logits.at(0), 1, static_cast<int>(count), buffers_->logit_rows);
    HeadBackward(which.subspan(first, count));
  }
}

void Network::HeadInputs(std::span<const int32_t> which, float* rows) {
  const auto width = static_cast<size_t>(shape_.width);
  const float* gain = parameters_.values.at(parameters_.final_norm());
  for (size_t first = 0; first < which.size(); first += kHeadRows) {
    const size_t count = std::min<size_t>(kHeadRows, which.size() - first);
    ops_.Embed(hidden(), which.subspan(first, count), shape_.width, buffers_->head_x.at(0));
    ops_.Finish();
    for (size_t row = 0; row < count; ++row) {
      const float* x = buffers_->head_x.at(row * width);
      double squares = 0;
      for (size_t k = 0; k < width; ++k) squares += double{x[k]} * x[k];
      const double scale = 1 / std::sqrt(squares / static_cast<double>(width) + shape_.norm_epsilon);
      for (size_t k = 0; k < width; ++k) rows[(first + row) * width + k] = static_cast<float>(x[k] * scale * gain[k]);
    }
  }
}

}  // namespace orrery::model
