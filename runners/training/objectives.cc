// SPDX-License-Identifier: Apache-2.0
#include "runners/training/objectives.h"

#include "model/training/language_objective.h"

namespace orrery::runners {

bool Ranks(const schema::TrainConfig& train) { return train.objective() != schema::TrainingObjective::sft; }

Status CheckTraining(const schema::Config& config) {
  const schema::TrainConfig& train = *config.train();
  if (config.model()->precision() == schema::WeightPrecision::int8)
    return InvalidInput("model.precision: expected bfloat16 or float32 for a training, found \"int8\"");
  const bool probe = Ranks(train) && train.linear_probe();
  if (probe && train.objective() == schema::TrainingObjective::pqm)
    return InvalidInput("train.linear_probe: expected false for the objective pqm, which learns no pairs, found true");
  if (probe && train.lora_rank() > 0)
    return InvalidInput("train.linear_probe: expected false beside train.lora_rank={}, found true", train.lora_rank());
  if (!Ranks(train) && train.marker_tokens() && (train.freeze_embeddings() || train.lora_rank() > 0))
    return InvalidInput(
        "train.marker_tokens: expected false beside {}, which leaves the rows of new tokens as they are",
        train.lora_rank() > 0 ? "train.lora_rank" : "train.freeze_embeddings=true");
  if (train.epochs() == 0 && !probe)
    return InvalidInput("train.epochs: expected 1 at least without train.linear_probe (of ppm and orm), found 0");
  return absl::OkStatus();
}

model::TrainerOptions TrainerOptionsOf(const schema::Config& config) {
  const schema::TrainConfig& train = *config.train();
  return {.epochs = train.epochs(),
          .batch = train.batch(),
          .rate = static_cast<float>(train.rate()),
          .schedule = static_cast<model::RateSchedule>(train.schedule()),
          .warmup = train.warmup(),
          .decay = static_cast<float>(train.decay()),
          .clip = static_cast<float>(train.clip()),
          .seed = config.run()->seed()};
}

model::ScoreOptions ScoreOptionsOf(const schema::TrainConfig& train) {
  model::ScoreOptions options{.scale = train.score_scale(), .shared = train.share_prefixes()};
  if (train.ranking() == schema::RankingLoss::outputs) options.loss = model::ScoreLoss::kOutputs;
  if (train.objective() == schema::TrainingObjective::pqm) options.loss = model::ScoreLoss::kSquares;
  return options;
}

Objectives ObjectivesOf(const schema::TrainConfig& train, const TrainingData& data, model::Network& network) {
  if (!Ranks(train)) {
    return {std::make_unique<model::LanguageObjective>(network, data.learnt),
            std::make_unique<model::LanguageObjective>(network, data.validation)};
  }
  const model::ScoreOptions options = ScoreOptionsOf(train);
  return {std::make_unique<model::ScoreObjective>(network, data.ranked, options),
          std::make_unique<model::ScoreObjective>(network, data.ranked_validation, options)};
}

}  // namespace orrery::runners
