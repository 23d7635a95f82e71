// SPDX-License-Identifier: Apache-2.0
#include "model/training/trainer.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "base/paths.h"
#include "base/random.h"
#include "model/training/checkpoint.h"

namespace orrery::model {
namespace {

void Fill(const PassResult& result, StepReport& report) {
  report.loss = result.loss / static_cast<double>(report.learnt);
  if (result.compared > 0) report.accuracy = static_cast<double>(result.right) / static_cast<double>(result.compared);
}

}  // namespace

Trainer::Trainer(Parameters& parameters, Network& network, const kernels::TrainingOps& ops, Objective& objective,
                 const TrainerOptions& options, Adapter* adapter)
    : parameters_(parameters),
      adapter_(adapter),
      trained_(adapter != nullptr ? static_cast<Trainables&>(*adapter) : parameters),
      network_(network),
      ops_(ops),
      objective_(objective),
      options_(options),
      steps_per_epoch_((static_cast<int64_t>(objective.count()) + options.batch - 1) / options.batch) {
  steps_ = steps_per_epoch_ * options_.epochs;
  parameters_.gradients = FloatArray(parameters_.count(), ops.memory());
  for (FloatArray* array : {&trained_.first_moments, &trained_.second_moments})
    *array = FloatArray(trained_.count(), ops.memory());
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
  std::vector<int32_t> order(objective_.count());
  std::iota(order.begin(), order.end(), 0);
  const RandomStream random{options_.seed, static_cast<uint64_t>(epoch)};
  for (size_t i = order.size(); i > 1; --i) {
    const uint64_t bits = random.Bits(Purpose::kShuffle, static_cast<uint32_t>(i));
    std::swap(order[i - 1], order[bits * i >> 32]);
  }
  return order;
}

std::vector<int32_t> Trainer::BatchOf(int64_t step) {
  const int64_t epoch = step / steps_per_epoch_, first = step % steps_per_epoch_ * options_.batch;
  if (epoch != order_epoch_) order_ = Order(epoch), order_epoch_ = epoch;
  const int64_t end = std::min<int64_t>(first + options_.batch, std::ssize(order_));
  return {order_.begin() + first, order_.begin() + end};
}

PassResult Trainer::Run(Objective& objective, std::span<const int32_t> batch, float weight, bool gradient) const {
  const auto most = static_cast<size_t>(network_.options().max_rows);
  PassResult sum;
  while (!batch.empty()) {
    const size_t fit = objective.ThatFit(batch, most);
    if (fit == 0) return {.loss = std::nan("")};  // longer than it may be
    sum += objective.Pass(batch.first(fit), weight, gradient);
    batch = batch.subspan(fit);
  }
  return sum;
}

StatusOr<StepReport> Trainer::Step() {
  auto batch = BatchOf(step_);
  StepReport report{.step = step_ + 1, .rate = Rate(step_ + 1)};
  for (const int32_t example : batch) {
    report.tokens += objective_.rows(static_cast<size_t>(example));
    report.learnt += objective_.learnt(static_cast<size_t>(example));
  }
  // Examples of like lengths fill the network's rows with the least left over.
  std::ranges::stable_sort(batch, std::greater(),
                           [this](int32_t i) { return objective_.rows(static_cast<size_t>(i)); });
  ClearGradients();
  const PassResult result = Run(objective_, batch, 1.0f / static_cast<float>(report.learnt), true);
  Fill(result, report);
  if (adapter_ != nullptr) adapter_->GatherGradients();
  const auto gradients = trained_.gradients.all();
  report.norm = std::sqrt(ops_.SquaredNorm(gradients.data(), gradients.size()));
  ORRERY_RETURN_IF_ERROR(ops_.status());
  if (!std::isfinite(report.loss) || !std::isfinite(report.norm)) {
    return Failed("step {}: the loss is {} and the gradient's norm {}; the examples from number {} of epoch {} on",
                  report.step, report.loss, report.norm, step_ % steps_per_epoch_ * options_.batch + 1,
                  step_ / steps_per_epoch_ + 1);
  }
  Update(report.step, report.norm);
  ++step_;
  return report;
}

bool Trainer::Frozen(const ParameterTensor& tensor) const {
  return network_.options().freeze_embeddings && tensor.offset == parameters_.embedding();
}

void Trainer::ClearGradients() {
  for (const ParameterTensor& tensor : parameters_.tensors()) {
    if (!Frozen(tensor)) ops_.Clear(parameters_.gradients.at(tensor.offset), tensor.rows * tensor.width);
  }
}

void Trainer::Update(int64_t step, double norm) {
  const double scale = options_.clip > 0 ? std::min(1.0, options_.clip / (norm + 1e-6)) : 1;
  for (const ParameterTensor& tensor : trained_.tensors()) {
    if (adapter_ == nullptr && Frozen(tensor)) continue;
    ops_.Step({.rate = Rate(step),
               .beta1 = options_.beta1,
               .beta2 = options_.beta2,
               .decay = tensor.decays ? options_.decay : 0,
               .step = step,
               .gradient_scale = static_cast<float>(scale)},
              tensor.rows * tensor.width, trained_.gradients.at(tensor.offset), trained_.values.at(tensor.offset),
              trained_.first_moments.at(tensor.offset), trained_.second_moments.at(tensor.offset));
  }
  Refresh();
}

void Trainer::Refresh() {
  if (adapter_ == nullptr) return network_.Refresh();
  adapter_->Refresh();
  network_.Refresh([this](size_t offset, size_t count) { return adapter_->Values(offset, count); });
}

StepReport Trainer::Measure(Objective& others) const {
  std::vector<int32_t> batch(others.count());
  std::iota(batch.begin(), batch.end(), 0);
  StepReport report{.step = step_};
  for (size_t i = 0; i < batch.size(); ++i) report.learnt += others.learnt(i);
  Fill(Run(others, batch, 0, false), report);
  return report;
}

Status Trainer::Save(const std::filesystem::path& folder, const std::string& identity) const {
  ops_.Finish();
  ORRERY_RETURN_IF_ERROR(ops_.status());
  return SaveCheckpoint(folder, {.identity = identity, .step = step_},
                        {{"values", trained_.values.all()},
                         {"first_moments", trained_.first_moments.all()},
                         {"second_moments", trained_.second_moments.all()}});
}

Status Trainer::Load(const std::filesystem::path& folder, const std::string& identity) {
  ops_.Finish();
  ORRERY_ASSIGN_OR_RETURN(const CheckpointState state,
                          LoadCheckpoint(folder, identity,
                                         {{"values", trained_.values.all()},
                                          {"first_moments", trained_.first_moments.all()},
                                          {"second_moments", trained_.second_moments.all()}}));
  step_ = state.step;
  Refresh();
  return absl::OkStatus();
}

}  // namespace orrery::model
