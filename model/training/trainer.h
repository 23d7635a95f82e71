// SPDX-License-Identifier: Apache-2.0
#pragma once

// Supervised fine-tuning: steps of AdamW over examples in a seeded order, with gradient accumulation and clipping, kept
// on disk so that a training killed anywhere goes on and ends with the same bits.
//
// rStar-Math's recipe (section 3.4, METHODS A4) are the defaults of configs/train-sft.json.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/tokenizer.h"
#include "model/training/network.h"

namespace orrery::model {

// A text of which the tokens from `prompt` on are learnt.
struct TrainingExample {
  std::vector<TokenId> tokens;
  int prompt = 0;
};

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
  bool freeze_embeddings = false;  // the table of embeddings, and the output matrix where it is the same
};

struct StepReport {
  int64_t step = 0;  // from 1
  double loss = 0;   // mean over the learnt tokens
  double norm = 0;   // of the gradient, before clipping
  double rate = 0;
  uint64_t tokens = 0, learnt = 0;
};

class Trainer {
 public:
  // `parameters` and `network` must outlive it. No example may be longer than network.options().max_rows or have
  // nothing to be learnt.
  Trainer(Parameters& parameters, Network& network, const kernels::TrainingOps& ops,
          std::vector<TrainingExample> examples, const TrainerOptions& options);

  int64_t steps() const { return steps_; }  // in all
  int64_t step() const { return step_; }    // taken
  int64_t steps_per_epoch() const { return steps_per_epoch_; }
  bool Done() const { return step_ >= steps_; }

  // The next step. Failed where the loss or the gradient is not finite: nothing was changed by it; the message names
  // step and examples.
  StatusOr<StepReport> Step();

  // Mean loss over the learnt tokens of other examples.
  double Loss(std::span<const TrainingExample> examples);

  // Values, moments and the number of the step as files in `folder`, which appears only when it is whole and flushed;
  // and back. `identity` stands for everything that the training depends on: another one is refused.
  Status Save(const std::filesystem::path& folder, const std::string& identity) const;
  Status Load(const std::filesystem::path& folder, const std::string& identity);

 private:
  struct Micro;  // what one pass of the network takes

  float Rate(int64_t step) const;
  std::vector<int32_t> Order(int64_t epoch) const;
  std::vector<const TrainingExample*> BatchOf(int64_t step);
  // The sum of losses, and the gradients' sums where they are wanted: each learnt token's weight is `weight`.
  double Run(std::span<const TrainingExample* const> batch, float weight, bool gradient);
  void Update(int64_t step, double norm);

  Parameters& parameters_;
  Network& network_;
  const kernels::TrainingOps& ops_;
  std::vector<TrainingExample> examples_;
  TrainerOptions options_;
  int64_t step_ = 0, steps_ = 0, steps_per_epoch_ = 0;
  int64_t order_epoch_ = -1;
  std::vector<int32_t> order_;
};

}  // namespace orrery::model
