// SPDX-License-Identifier: Apache-2.0
// Tokens a second of a random model on a CUDA device, beside what its memory's speed allows.
//
//   gpu [--device=0] [--shape=0.5b|1.5b|7b] [--context=1024]
//
// Cases: decode-N (one new token of each of N sequences that share 704 tokens, logits read back), prompt (256 tokens a
// batch from position 0 on) and train (whole steps of full training on eight texts of 256 tokens, where there is the
// memory for it). Exit code 3: there is no device (or this build has no CUDA).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "kernels/cuda/cuda_device.h"
#include "model/random_weights.h"
#include "model/training/language_objective.h"
#include "model/training/trainer.h"
#include "model/transformer.h"

namespace orrery {
namespace {

using kernels::kPageTokens;
using model::BatchRow;
using model::ModelShape;
using model::Transformer;

constexpr int kNoDevice = 3;
constexpr int kMaxRows = 256;
constexpr int kSharedPages = 22;
constexpr int kSteps = 24;

ModelShape Qwen2(int layers, int width, int feed_forward, kernels::AttentionShape attention, int context) {
  ModelShape shape;
  shape.architecture = "qwen2";
  shape.layers = layers;
  shape.width = width;
  shape.feed_forward = feed_forward;
  shape.vocabulary = 151936;
  shape.context_length = context + kSteps + kMaxRows;
  shape.attention = attention;
  shape.rope_base = 1e6f;
  shape.norm_epsilon = 1e-6f;
  shape.qkv_bias = true;
  return shape;
}

// Those of Qwen2.5.
ModelShape ShapeOf(const std::string& name, int context) {
  if (name == "0.5b") return Qwen2(24, 896, 4864, {14, 2, 64}, context);
  if (name == "1.5b") return Qwen2(28, 1536, 8960, {12, 2, 128}, context);
  return Qwen2(28, 3584, 18944, {28, 4, 128}, context);
}

class Bench {
 public:
  Bench(const ModelShape& shape, kernels::Device& device, double bytes_per_second, int context)
      : shape_(shape),
        device_(device),
        bytes_per_second_(bytes_per_second),
        context_(context),
        own_pages_((context + kSteps) / kPageTokens + 1 - kSharedPages),
        transformer_(model::RandomWeights(shape, device, 1), device, kSharedPages + kMaxRows * own_pages_, kMaxRows) {}

  Status Decode(int sequences) {
    std::vector<std::vector<int32_t>> pages(sequences);
    for (int s = 0; s < sequences; ++s) {
      for (int p = 0; p < kSharedPages; ++p) pages[s].push_back(p);
      for (int p = 0; p < own_pages_; ++p) pages[s].push_back(kSharedPages + s * own_pages_ + p);
    }
    auto start = Clock::now();
    constexpr int kWarmUp = 4;
    for (int step = 0; step < kSteps; ++step) {
      if (step == kWarmUp) start = Clock::now();
      std::vector<BatchRow> rows;
      for (int s = 0; s < sequences; ++s) rows.push_back({s * 7 % 1000, context_ + step, pages[s].data(), true});
      transformer_.Forward(rows, [](int, int, const float*, ptrdiff_t) {});
      ORRERY_RETURN_IF_ERROR(device_.status());
    }
    const double seconds = SecondsSince(start) / (kSteps - kWarmUp);
    const double own_tokens = double(sequences) * (context_ - kSharedPages * kPageTokens);
    const double bytes = WeightBytes() + PageTokenBytes() * (kSharedPages * kPageTokens + own_tokens);
    Line(fmt::format("decode-{}", sequences), sequences / seconds, seconds, bytes);
    return absl::OkStatus();
  }

  Status Prompt() {
    std::vector<int32_t> pages;
    const int batches = std::max(1, context_ / kMaxRows);
    for (int p = 0; p <= batches * kMaxRows / kPageTokens; ++p) pages.push_back(p);
    double seconds = 0;
    for (const bool timed : {false, true}) {
      const auto start = Clock::now();
      for (int b = 0; b < batches; ++b) {
        std::vector<BatchRow> rows;
        for (int i = 0; i < kMaxRows; ++i) {
          const int position = b * kMaxRows + i;
          rows.push_back({position % 1000, position, pages.data(), i + 1 == kMaxRows});
        }
        transformer_.Forward(rows, [](int, int, const float*, ptrdiff_t) {});
        ORRERY_RETURN_IF_ERROR(device_.status());
      }
      if (timed) seconds = SecondsSince(start) / batches;
    }
    Line("prompt", kMaxRows / seconds, seconds, WeightBytes() * kMaxRows / kernels::cuda::kProductRows);
    return absl::OkStatus();
  }

 private:
  double WeightBytes() const { return static_cast<double>(model::WeightBytes(shape_, device_)); }
  double PageTokenBytes() const { return static_cast<double>(Transformer::PageBytes(shape_, device_)) / kPageTokens; }
  void Line(const std::string& name, double tokens, double seconds, double bytes) const {
    fmt::print("{:<12} {:>10.0f} tokens/s  {:>8.3f} ms a batch  {:>6.1f} GB moved", name, tokens, seconds * 1e3,
               bytes * 1e-9);
    if (bytes_per_second_ > 0)
      fmt::print("  {:>5.1f}% of the memory's speed", 100 * bytes / seconds / bytes_per_second_);
    fmt::print("\n");
  }

  ModelShape shape_;
  kernels::Device& device_;
  double bytes_per_second_;
  int context_, own_pages_;
  Transformer transformer_;
};

// Steps of full training, the first of them not counted.
Status Train(int number, const ModelShape& shape, bool tied, uint64_t memory_bytes) {
  constexpr int kTexts = 8, kLength = 256, kTimed = 4;
  const model::NetworkOptions options{.max_rows = kTexts * kLength};
  const uint64_t bytes = model::TrainingBytes(shape, tied, kernels::Type::kBfloat16, options);
  if (bytes > memory_bytes) {
    fmt::print("{:<12} needs {:.1f} GB, the device has {:.1f}\n", "train", bytes * 1e-9, memory_bytes * 1e-9);
    return absl::OkStatus();
  }
  ORRERY_ASSIGN_OR_RETURN(const auto ops, kernels::cuda::NewCudaTraining(number, kernels::Type::kBfloat16));
  auto parameters = model::Parameters::Random(shape, tied, 1, ops->memory());
  model::Network network(shape, parameters, *ops, options);
  std::vector<model::TrainingExample> examples;
  for (int i = 0; i < kTexts * (1 + kTimed); ++i) {
    examples.push_back({});
    for (int t = 0; t < kLength; ++t) examples.back().tokens.push_back((i * 7919 + t * 104729) % 1000);
  }
  model::LanguageObjective objective(network, examples);
  model::Trainer trainer(parameters, network, *ops, objective, {.epochs = 1, .batch = kTexts, .rate = 1e-5f});
  ORRERY_RETURN_IF_ERROR(trainer.Step().status());
  ops->Finish();
  const auto start = Clock::now();
  while (!trainer.Done()) ORRERY_RETURN_IF_ERROR(trainer.Step().status());
  ops->Finish();
  ORRERY_RETURN_IF_ERROR(ops->status());
  const double seconds = SecondsSince(start) / kTimed, tokens = double(kTexts) * kLength;
  // Forward once, backward twice: two operations a weight and token each. A table that is only looked up is no product.
  const double weights =
      static_cast<double>(parameters.count()) - (tied ? 0.0 : static_cast<double>(shape.vocabulary) * shape.width);
  fmt::print("{:<12} {:>10.0f} tokens/s  {:>8.3f} ms a step   {:>6.1f} TFLOP/s of products\n", "train",
             tokens / seconds, seconds * 1e3, 6e-12 * weights * tokens / seconds);
  return absl::OkStatus();
}

Status Run(int number, const std::string& name, int context) {
  ORRERY_ASSIGN_OR_RETURN(const auto devices, kernels::cuda::FindDevices());
  ORRERY_ASSIGN_OR_RETURN(const auto device, kernels::cuda::NewCudaDevice(number, kernels::Type::kBfloat16));
  fmt::print("{}, Qwen2.5 {} of random weights, bfloat16, {} tokens of context\n", device->Name(), name, context);
  {
    Bench bench(ShapeOf(name, context), *device, devices[number].bytes_per_second, context);
    ORRERY_RETURN_IF_ERROR(device->status());
    for (const int sequences : {1, 8, 32, 64, 128, 256}) ORRERY_RETURN_IF_ERROR(bench.Decode(sequences));
    ORRERY_RETURN_IF_ERROR(bench.Prompt());
  }
  return Train(number, ShapeOf(name, context), name != "7b", devices[number].memory_bytes);
}

}  // namespace
}  // namespace orrery

int main(int argc, char** argv) {
  CLI::App app("Tokens a second of a random model on a CUDA device.");
  int device = 0, context = 1024;
  std::string shape = "0.5b";
  app.add_option("--device", device, "counted from 0");
  app.add_option("--shape", shape, "of Qwen2.5")->check(CLI::IsMember({"0.5b", "1.5b", "7b"}));
  app.add_option("--context", context, "tokens before the new ones")->check(CLI::Range(768, 32000));
  CLI11_PARSE(app, argc, argv);
  const orrery::Status status = orrery::Run(device, shape, context);
  if (status.ok()) return 0;
  fmt::print(stderr, "gpu: {}\n", orrery::Message(status));
  return status.code() == absl::StatusCode::kUnavailable ? orrery::kNoDevice : orrery::ExitCode(status);
}
