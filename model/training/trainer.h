// SPDX-License-Identifier: Apache-2.0
#pragma once

// Steps of AdamW over an objective's examples in a seeded order, with gradient accumulation and clipping, kept on disk
// so that a training killed anywhere goes on and ends with the same bits.
//
// rStar-Math's recipe (section 3.4, METHODS A4) are the defaults of configs/train-sft.json and train-ppm.json.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/training/adapter.h"
#include "model/training/network.h"
#include "model/training/objective.h"

namespace orrery::model {

enum class RateSchedule : uint8_t { kConstant, kLinear, kCosine };

struct TrainerOptions {
  int epochs = 2;
  int batch = 128;  // examples a step
  float rate = 7e-6f;
  RateSchedule schedule = RateSchedule::kLinear;  // down to zero at the last step
  double warmup = 0.03;                           // share of the steps in which the rate rises from zero
  float decay = 0.1f;
  float beta1 = 0.9f, beta2 = 0.999f;
  float clip = 1;  // largest norm of a step's gradient; 0: any
  uint64_t seed = 1;
};

struct StepReport {
  int64_t step = 0;     // from 1
  double loss = 0;      // mean over what was learnt
  double accuracy = 0;  // of a ranking: share of the pairs whose better side scored higher
  double norm = 0;      // of the gradient, before clipping
  double rate = 0;
  uint64_t tokens = 0, learnt = 0;  // rows of the network; tokens or comparisons
};

class Trainer {
 public:
  // All must outlive it. No example may take more rows than network.options().max_rows or have nothing to be learnt.
  // With an adapter (of `parameters`) that one is trained, and the parameters stay as they are.
  Trainer(Parameters& parameters, Network& network, const kernels::TrainingOps& ops, Objective& objective,
          const TrainerOptions& options, Adapter* adapter = nullptr);

  int64_t steps() const { return steps_; }  // in all
  int64_t step() const { return step_; }    // taken
  int64_t steps_per_epoch() const { return steps_per_epoch_; }
  bool Done() const { return step_ >= steps_; }

  // The next step. Failed where the loss or the gradient is not finite: nothing was changed by it; the message names
  // step and examples.
  StatusOr<StepReport> Step();

  // Mean loss (and accuracy) over other examples.
  StepReport Measure(Objective& others) const;

  // What is trained.
  Trainables& trained() const { return trained_; }

  // Values, moments and the number of the step as files in `folder`, which appears only when it is whole and flushed;
  // and back. `identity` stands for everything that the training depends on: another one is refused.
  Status Save(const std::filesystem::path& folder, const std::string& identity) const;
  Status Load(const std::filesystem::path& folder, const std::string& identity);

 private:
  float Rate(int64_t step) const;
  std::vector<int32_t> Order(int64_t epoch) const;
  std::vector<int32_t> BatchOf(int64_t step);
  // A batch in as many passes as it takes.
  PassResult Run(Objective& objective, std::span<const int32_t> batch, float weight, bool gradient) const;
  // Whether the network's options let a tensor of the parameters stay as it is.
  bool Frozen(const ParameterTensor& tensor) const;
  void ClearGradients();
  void Update(int64_t step, double norm);
  void Refresh();

  Parameters& parameters_;
  Adapter* adapter_;
  Trainables& trained_;
  Network& network_;
  const kernels::TrainingOps& ops_;
  Objective& objective_;
  TrainerOptions options_;
  int64_t step_ = 0, steps_ = 0, steps_per_epoch_ = 0;
  int64_t order_epoch_ = -1;
  std::vector<int32_t> order_;
};

}  // namespace orrery::model
