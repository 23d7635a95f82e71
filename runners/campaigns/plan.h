// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is settled of a campaign before anything expensive is loaded: its problems, rules, models' files and
// fingerprint.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/endpoint/endpoint.h"
#include "reasoning/problem.h"
#include "reasoning/prompt.h"
#include "runners/common/shared_models.h"
#include "schema/config.h"
#include "search/rules.h"

namespace orrery::runners {

struct CampaignPlan {
  schema::ResolvedConfig config;
  search::Rules rules;
  std::filesystem::path out;
  std::shared_ptr<const std::vector<reasoning::Problem>> problems;
  std::vector<std::string> complaints;              // of lines that are no problems
  std::filesystem::path model;                      // empty: not needed
  std::filesystem::path ppm;                        // empty: none
  std::shared_ptr<model::EndpointEngine> endpoint;  // null: the model runs here
  reasoning::PromptTemplate prompt;
  std::string fingerprint;

  // Rollouts without the further ones of unsolved problems.
  uint64_t rollouts() const { return problems->size() * static_cast<uint64_t>(rules.rollouts); }
};

// `given` is without its preset's values. Makes the folder run.out; fetches a model that is not at hand, with a line of
// progress unless `quiet`. `models` may be null.
StatusOr<CampaignPlan> MakePlan(const schema::ResolvedConfig& given, SharedModels* models, bool quiet);

}  // namespace orrery::runners
