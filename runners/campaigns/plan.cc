// SPDX-License-Identifier: Apache-2.0
#include "runners/campaigns/plan.h"

#include <unistd.h>

#include <system_error>

#include "base/digest.h"
#include "base/paths.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/kernels.h"
#include "model/registry/registry.h"
#include "model/source/model_source.h"
#include "model/tokenizer/byte_tokenizer.h"
#include "runners/common/settings.h"

namespace orrery::runners {
namespace {

// All that the records depend on: the result keys, the prompt, the weights, and how the engine computes on this
// machine.
StatusOr<std::string> Fingerprint(const CampaignPlan& plan, SharedModels* models) {
  const auto digest = [&](const std::filesystem::path& path) {
    return models != nullptr ? models->Digest(path) : model::ModelDigest(path);
  };
  std::string weights = "bytes";
  if (!plan.model.empty()) {
    ORRERY_ASSIGN_OR_RETURN(weights, digest(plan.model));
  }
  // A server's model is known by its name alone.
  std::string machine =
      plan.endpoint ? "endpoint " + plan.endpoint->model() : std::string(kernels::Name(kernels::HostIsa()));
  if (!plan.endpoint && plan.config->model()->device() == schema::DeviceKind::cuda) {
    ORRERY_ASSIGN_OR_RETURN(const auto devices, kernels::cuda::FindDevices());
    machine += ", " + devices.front().name;
  }
  Sha256 hash;
  if (!plan.ppm.empty()) {
    ORRERY_ASSIGN_OR_RETURN(const std::string ppm, digest(plan.ppm));
    hash.UpdateSized(ppm);
  }
  for (const std::string_view part :
       {std::string_view(plan.config.fingerprint()), std::string_view(plan.prompt.before),
        std::string_view(plan.prompt.after), std::string_view(weights), std::string_view(machine)})
    hash.UpdateSized(part);
  return Hex(hash.Finish());
}

Status PrepareFolder(const std::filesystem::path& out) {
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) return InvalidInput("{}: the output folder cannot be made ({})", out.string(), error.message());
  if (access(out.c_str(), W_OK) != 0) return InvalidInput("{}: the output folder is not writable", out.string());
  return absl::OkStatus();
}

// `source`: the model's files, whose tokenizer counts; null: bytes are counted.
StatusOr<std::shared_ptr<model::EndpointEngine>> ConnectEndpoint(const schema::Config& config,
                                                                 const model::ModelSource* source) {
  ORRERY_ASSIGN_OR_RETURN(auto options, EndpointOptionsOf(config));
  std::unique_ptr<model::Tokenizer> tokenizer;
  if (source == nullptr) {
    tokenizer = std::make_unique<model::ByteTokenizer>();
  } else {
    ORRERY_ASSIGN_OR_RETURN(tokenizer, source->ReadTokenizer());
    ORRERY_ASSIGN_OR_RETURN(const auto shape, source->Shape());
    options.context_otherwise = shape.context_length;
  }
  ORRERY_ASSIGN_OR_RETURN(auto engine, model::EndpointEngine::Connect(options, std::move(tokenizer)));
  return engine;
}

// The folder of the preference model, if the search has one; what the rules ask of it is there.
StatusOr<std::filesystem::path> PpmOf(const CampaignPlan& plan) {
  const std::string name = plan.config->ppm()->name()->str();
  const bool by_score = plan.rules.value == search::Value::kScore;
  if (name.empty()) {
    if (!plan.rules.scored && !by_score && plan.rules.beams == 0) return std::filesystem::path();
    return InvalidInput("ppm.name: expected the folder of a preference model, which search.{} asks for; found none",
                        plan.rules.beams > 0 ? "beams"
                        : plan.rules.scored  ? "initial_value=ppm"
                                             : "value=ppm");
  }
  if (by_score && plan.rules.extra_rollouts_when_unsolved + plan.rules.further_rollouts_when_unsolved > 0) {
    return InvalidInput(
        "search.value=ppm: expected search.extra_rollouts_when_unsolved=0, since what is unsolved is told by the "
        "reference");
  }
  const std::filesystem::path path = CallerPath(name);
  ORRERY_ASSIGN_OR_RETURN(const auto source, model::ModelSource::Open(path));
  ORRERY_ASSIGN_OR_RETURN(const auto shape, source->Shape());
  if (!shape.scores())
    return InvalidInput("ppm.name: {} is no reward model; //runners:train makes one (train.objective=ppm)", name);
  return path;
}

}  // namespace

StatusOr<CampaignPlan> MakePlan(const schema::ResolvedConfig& given, SharedModels* models, bool quiet) {
  CampaignPlan plan;
  ORRERY_ASSIGN_OR_RETURN(plan.config, ApplyPreset(given));
  plan.rules = RulesOf(*plan.config->search());
  ORRERY_ASSIGN_OR_RETURN(auto set, LoadProblemsOf(*plan.config));
  plan.complaints = std::move(set.complaints);
  plan.problems = std::make_shared<const std::vector<reasoning::Problem>>(std::move(set.problems));
  plan.out = CallerPath(plan.config->run()->out()->str());
  ORRERY_RETURN_IF_ERROR(PrepareFolder(plan.out));
  std::unique_ptr<model::ModelSource> source;
  if (!HasEndpoint(*plan.config) || plan.config->endpoint()->tokenizer() == schema::TokenCount::model) {
    ORRERY_ASSIGN_OR_RETURN(const auto registry, model::Registry::Load());
    model::FetchOptions fetch;
    fetch.progress = !quiet;
    ORRERY_ASSIGN_OR_RETURN(plan.model,
                            model::LocateModel(registry, plan.config->model()->name()->string_view(), fetch));
    // A damaged file is told before its hash enters a store.
    ORRERY_ASSIGN_OR_RETURN(source, model::ModelSource::Open(plan.model));
  }
  ORRERY_ASSIGN_OR_RETURN(plan.prompt, PromptOf(*plan.config->search(), source.get()));
  if (HasEndpoint(*plan.config)) {
    ORRERY_ASSIGN_OR_RETURN(plan.endpoint, ConnectEndpoint(*plan.config, source.get()));
  }
  ORRERY_ASSIGN_OR_RETURN(plan.ppm, PpmOf(plan));
  ORRERY_ASSIGN_OR_RETURN(plan.fingerprint, Fingerprint(plan, models));
  return plan;
}

}  // namespace orrery::runners
