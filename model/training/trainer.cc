// SPDX-License-Identifier: Apache-2.0
#include "model/training/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/paths.h"
#include "base/random.h"
#include "model/training/checkpoint.h"

namespace orrery::model {

struct Trainer::Micro {
  std::vector<int32_t> tokens, begins = {0}, which, targets;

  void Add(const TrainingExample& example) {
    const int begin = begins.back(), length = static_cast<int>(example.tokens.size());
    tokens.insert(tokens.end(), example.tokens.begin(), example.tokens.end());
    begins.push_back(begin + length);
    for (int i = std::max(1, example.prompt); i < length; ++i) {
      which.push_back(begin + i - 1);
      targets.push_back(example.tokens[i]);
    }
  }
};

Trainer::Trainer(Parameters& parameters, Network& network, const kernels::TrainingOps& ops,
                 std::vector<TrainingExample> examples, const TrainerOptions& options)
    : parameters_(parameters),
      network_(network),
      ops_(ops),
      examples_(std::move(examples)),
      options_(options),
      steps_per_epoch_((static_cast<int64_t>(examples_.size()) + options.batch - 1) / options.batch) {
  steps_ = steps_per_epoch_ * options_.epochs;
  for (FloatArray* array : {&parameters_.gradients, &parameters_.first_moments, &parameters_.second_moments})
    *array = FloatArray(parameters_.count());
}

float Trainer::Rate(int64_t step) const {
  const double warm = std::max(1.0, std::floor(options_.warmup * static_cast<double>(steps_)));
  if (options_.warmup > 0 && static_cast<double>(step) <= warm)
    return static_cast<float>(options_.rate * static_cast<double>(step) / warm);
  const double start = options_.warmup > 0 ? warm : 0;
  const double done = (static_cast<double>(step) - start) / std::max(1.0, static_cast<double>(steps_) - start + 1);
  switch (options_.schedule) {
    case RateSchedule::kLinear: return static_cast<float>(options_.rate * (1 - done));
    case RateSchedule::kCosine: return static_cast<float>(options_.rate * 0.5 * (1 + std::cos(M_PI * done)));
    case RateSchedule::kConstant: break;
  }
  return options_.rate;
}

// Fisher and Yates with draws that depend on (seed, epoch) alone.
std::vector<int32_t> Trainer::Order(int64_t epoch) const {
  std::vector<int32_t> order(examples_.size());
  std::iota(order.begin(), order.end(), 0);
  const RandomStream random{options_.seed, static_cast<uint64_t>(epoch)};
  for (size_t i = order.size(); i > 1; --i) {
    const uint64_t bits = random.Bits(Purpose::kShuffle, static_cast<uint32_t>(i));
    std::swap(order[i - 1], order[bits * i >> 32]);
  }
  return order;
}

std::vector<const TrainingExample*> Trainer::BatchOf(int64_t step) {
  const int64_t epoch = step / steps_per_epoch_, first = step % steps_per_epoch_ * options_.batch;
  if (epoch != order_epoch_) order_ = Order(epoch), order_epoch_ = epoch;
  std::vector<const TrainingExample*> batch;
  for (int64_t i = first; i < std::min<int64_t>(first + options_.batch, std::ssize(order_)); ++i)
    batch.push_back(&examples_[order_[i]]);
  return batch;
}

double Trainer::Run(std::span<const TrainingExample* const> batch, float weight, bool gradient) {
  double sum = 0;
  for (size_t i = 0; i < batch.size();) {
    Micro micro;
    while (i < batch.size() &&
           micro.tokens.size() + batch[i]->tokens.size() <= static_cast<size_t>(network_.options().max_rows))
      micro.Add(*batch[i++]);
    if (micro.tokens.empty()) return std::nan("");  // longer than it may be
    std::vector<double> losses(micro.which.size());
    const std::vector<float> weights(micro.which.size(), weight);
    network_.Forward(micro.tokens, micro.begins);
    network_.LanguageHead(micro.which, micro.targets, weights, gradient, losses.data());
    if (gradient) network_.Backward();
    sum += std::accumulate(losses.begin(), losses.end(), 0.0);
  }
  return sum;
}

StatusOr<StepReport> Trainer::Step() {
  auto batch = BatchOf(step_);
  StepReport report{.step = step_ + 1, .rate = Rate(step_ + 1)};
  for (const TrainingExample* example : batch) {
    report.tokens += example->tokens.size();
    report.learnt += example->tokens.size() - static_cast<size_t>(std::max(1, example->prompt));
  }
  // Examples of like lengths fill the network's rows with the least left over.
  std::stable_sort(batch.begin(), batch.end(),
                   [](const auto* a, const auto* b) { return a->tokens.size() > b->tokens.size(); });
  const auto gradients = parameters_.gradients.all();
  std::memset(gradients.data(), 0, gradients.size_bytes());
  report.loss = Run(batch, 1.0f / static_cast<float>(report.learnt), true) / static_cast<double>(report.learnt);
  if (options_.freeze_embeddings) {
    for (const ParameterTensor& tensor : parameters_.tensors()) {
      if (tensor.offset == parameters_.embedding())
        std::memset(parameters_.gradients.at(tensor.offset), 0, tensor.rows * tensor.width * sizeof(float));
    }
  }
  report.norm = std::sqrt(ops_.SquaredNorm(gradients.data(), gradients.size()));
  if (!std::isfinite(report.loss) || !std::isfinite(report.norm)) {
    return Failed("step {}: the loss is {} and the gradient's norm {}; the examples from number {} of epoch {} on",
                  report.step, report.loss, report.norm, step_ % steps_per_epoch_ * options_.batch + 1,
                  step_ / steps_per_epoch_ + 1);
  }
  Update(report.step, report.norm);
  ++step_;
  return report;
}

void Trainer::Update(int64_t step, double norm) {
  const double scale = options_.clip > 0 ? std::min(1.0, options_.clip / (norm + 1e-6)) : 1;
  for (const ParameterTensor& tensor : parameters_.tensors()) {
    if (options_.freeze_embeddings && tensor.offset == parameters_.embedding()) continue;
    ops_.Step({.rate = Rate(step),
               .beta1 = options_.beta1,
               .beta2 = options_.beta2,
               .decay = tensor.decays ? options_.decay : 0,
               .step = step,
               .gradient_scale = static_cast<float>(scale)},
              tensor.rows * tensor.width, parameters_.gradients.at(tensor.offset), parameters_.values.at(tensor.offset),
              parameters_.first_moments.at(tensor.offset), parameters_.second_moments.at(tensor.offset));
  }
  network_.Refresh();
}

double Trainer::Loss(std::span<const TrainingExample> examples) {
  std::vector<const TrainingExample*> batch;
  uint64_t learnt = 0;
  for (const TrainingExample& example : examples) {
    batch.push_back(&example);
    learnt += example.tokens.size() - static_cast<size_t>(std::max(1, example.prompt));
  }
  return Run(batch, 0, false) / static_cast<double>(learnt);
}

Status Trainer::Save(const std::filesystem::path& folder, const std::string& identity) const {
  return SaveCheckpoint(folder, {.identity = identity, .step = step_},
                        {{"values", parameters_.values.all()},
                         {"first_moments", parameters_.first_moments.all()},
                         {"second_moments", parameters_.second_moments.all()}});
}

Status Trainer::Load(const std::filesystem::path& folder, const std::string& identity) {
  ORRERY_ASSIGN_OR_RETURN(const CheckpointState state,
                          LoadCheckpoint(folder, identity,
                                         {{"values", parameters_.values.all()},
                                          {"first_moments", parameters_.first_moments.all()},
                                          {"second_moments", parameters_.second_moments.all()}}));
  step_ = state.step;
  network_.Refresh();
  return absl::OkStatus();
}

}  // namespace orrery::model
