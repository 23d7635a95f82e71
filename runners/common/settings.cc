// SPDX-License-Identifier: Apache-2.0
#include "runners/common/settings.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/paths.h"
#include "kernels/cuda/cuda_device.h"

namespace orrery::runners {
namespace {

std::string Number(double value) { return fmt::format("{}", value); }

// What makes the device of an engine; empty: the processor.
std::function<StatusOr<std::unique_ptr<kernels::Device>>(kernels::Type)> DeviceOf(const schema::Config& config,
                                                                                  int number) {
  if (config.model()->device() == schema::DeviceKind::cpu) return {};
  return [number](kernels::Type type) { return kernels::cuda::NewCudaDevice(number, type); };
}

}  // namespace

StatusOr<schema::ResolvedConfig> ApplyPreset(const schema::ResolvedConfig& config) {
  ORRERY_ASSIGN_OR_RETURN(const search::Rules rules, search::Preset(config->search()->preset()->str()));
  return config.WithDefaults({
      {"search.rollouts", std::to_string(rules.rollouts)},
      {"search.extra_rollouts_when_unsolved", std::to_string(rules.extra_rollouts_when_unsolved)},
      {"search.further_rollouts_when_unsolved", std::to_string(rules.further_rollouts_when_unsolved)},
      {"search.selection", rules.selection == search::Selection::kUct ? "uct" : "puct"},
      {"search.value", rules.value == search::Value::kReference ? "reference" : "ppm"},
      {"search.initial_value", rules.scored ? "ppm" : "none"},
      {"search.candidates", std::to_string(rules.candidates)},
      {"search.temperature", Number(rules.temperature)},
      {"search.top_p", Number(rules.top_p)},
      {"search.top_k", std::to_string(rules.top_k)},
      {"search.max_depth", std::to_string(rules.max_depth)},
      {"search.max_step_tokens", std::to_string(rules.max_step_tokens)},
      {"search.max_total_tokens", std::to_string(rules.max_total_tokens)},
      {"search.wave", std::to_string(rules.wave)},
      {"search.exploration", Number(rules.exploration)},
      {"search.unvisited", rules.unvisited == search::Unvisited::kInfinite ? "infinite" : "zero"},
      {"search.dead_end", rules.dead_end == search::DeadEndBackup::kPath ? "path" : "itself"},
      {"search.tolerated_errors", std::to_string(rules.tolerated_errors)},
      {"search.resamples", std::to_string(rules.resamples)},
      {"search.beams", std::to_string(rules.beams)},
      {"search.candidate_order", rules.candidate_order == search::CandidateOrder::kLikely ? "likely" : "sampled"},
  });
}

search::Rules RulesOf(const schema::SearchConfig& config) {
  search::Rules rules;
  rules.scored = config.initial_value().value_or(schema::InitialValue::none) == schema::InitialValue::ppm;
  rules.selection = config.selection().value_or(schema::SelectionRule::uct) == schema::SelectionRule::uct
                        ? search::Selection::kUct
                        : search::Selection::kPuct;
  rules.value = config.value().value_or(schema::ValueSource::reference) == schema::ValueSource::reference
                    ? search::Value::kReference
                    : search::Value::kScore;
  rules.further_rollouts_when_unsolved =
      config.further_rollouts_when_unsolved().value_or(rules.further_rollouts_when_unsolved);
  rules.rollouts = config.rollouts().value_or(rules.rollouts);
  rules.candidates = config.candidates().value_or(rules.candidates);
  rules.temperature = config.temperature().value_or(rules.temperature);
  rules.top_p = config.top_p().value_or(rules.top_p);
  rules.top_k = config.top_k().value_or(rules.top_k);
  rules.max_depth = config.max_depth().value_or(rules.max_depth);
  rules.max_step_tokens = config.max_step_tokens().value_or(rules.max_step_tokens);
  rules.max_total_tokens = config.max_total_tokens().value_or(rules.max_total_tokens);
  rules.wave = config.wave().value_or(rules.wave);
  rules.exploration = config.exploration().value_or(rules.exploration);
  rules.unvisited = config.unvisited().value_or(schema::UnvisitedScore::infinite) == schema::UnvisitedScore::infinite
                        ? search::Unvisited::kInfinite
                        : search::Unvisited::kZero;
  rules.dead_end = config.dead_end().value_or(schema::DeadEndPolicy::path) == schema::DeadEndPolicy::path
                       ? search::DeadEndBackup::kPath
                       : search::DeadEndBackup::kItself;
  rules.beams = config.beams().value_or(rules.beams);
  rules.tolerated_errors = config.tolerated_errors().value_or(rules.tolerated_errors);
  rules.candidate_order =
      config.candidate_order().value_or(schema::CandidateOrder::sampled) == schema::CandidateOrder::likely
          ? search::CandidateOrder::kLikely
          : search::CandidateOrder::kSampled;
  rules.resamples = config.resamples().value_or(rules.resamples);
  rules.extra_rollouts_when_unsolved =
      config.extra_rollouts_when_unsolved().value_or(rules.extra_rollouts_when_unsolved);
  return rules;
}

reasoning::StepForm StepsOf(const schema::SearchConfig& config) {
  return config.steps() == schema::StepStyle::words ? reasoning::StepForm::kWords : reasoning::StepForm::kCode;
}

StatusOr<reasoning::ChatFormat> ChatFormatOf(const schema::SearchConfig& config, const model::ModelSource* model) {
  switch (config.chat_format()) {
    case schema::ChatTurns::chatml: return reasoning::ChatFormat::kChatMl;
    case schema::ChatTurns::llama2: return reasoning::ChatFormat::kLlama2;
    case schema::ChatTurns::llama3: return reasoning::ChatFormat::kLlama3;
    case schema::ChatTurns::mistral: return reasoning::ChatFormat::kMistral;
    case schema::ChatTurns::phi3: return reasoning::ChatFormat::kPhi3;
    case schema::ChatTurns::llama3_1: return reasoning::ChatFormat::kLlama31;
    case schema::ChatTurns::automatic: break;
  }
  constexpr std::string_view kRemedy = "set search.chat_format, or search.prompt_file";
  if (model == nullptr)
    return InvalidInput("the model's files are not at hand (endpoint.tokenizer=bytes); {}", kRemedy);
  ORRERY_ASSIGN_OR_RETURN(const std::string text, model->ChatTemplate());
  if (text.empty()) return InvalidInput("{}: the model has no chat template; {}", model->path().string(), kRemedy);
  const auto format = reasoning::RecogniseChatFormat(text);
  if (!format.ok()) return InvalidInput("{}: {}; {}", model->path().string(), Message(format.status()), kRemedy);
  return *format;
}

namespace {

model::Precision PrecisionOf(schema::WeightPrecision precision) {
  switch (precision) {
    case schema::WeightPrecision::float32: return model::Precision::kFloat32;
    case schema::WeightPrecision::int8: return model::Precision::kInt8;
    case schema::WeightPrecision::bfloat16: break;
  }
  return model::Precision::kBfloat16;
}

}  // namespace

StatusOr<reasoning::PromptTemplate> PromptOf(const schema::SearchConfig& config, const model::ModelSource* model) {
  const auto file = config.prompt_file()->string_view();
  if (!file.empty()) return reasoning::LoadPrompt(CallerOrOwnFile(file));
  if (config.prompt() == schema::PromptStyle::fine_tuned)
    return reasoning::BuiltInPrompt(reasoning::PromptForm::kFineTuned, {}, StepsOf(config));
  ORRERY_ASSIGN_OR_RETURN(const reasoning::ChatFormat format, ChatFormatOf(config, model));
  return reasoning::BuiltInPrompt(reasoning::PromptForm::kChat, format, StepsOf(config));
}

bool HasEndpoint(const schema::Config& config) { return config.endpoint()->url()->size() > 0; }

StatusOr<model::EndpointOptions> EndpointOptionsOf(const schema::Config& config) {
  const auto& endpoint = *config.endpoint();
  const bool bytes = endpoint.tokenizer() == schema::TokenCount::bytes;
  if (bytes && endpoint.token_prompts())
    return InvalidInput("endpoint.token_prompts: expected false where endpoint.tokenizer is bytes");
  model::EndpointOptions options;
  options.http = {.url = endpoint.url()->str(),
                  .connections = static_cast<int>(endpoint.in_flight()),
                  .connect_seconds = endpoint.connect_seconds(),
                  .answer_seconds = endpoint.answer_seconds(),
                  .retries = static_cast<int>(endpoint.retries()),
                  .retry_seconds = endpoint.retry_seconds(),
                  .retry_most_seconds = endpoint.retry_most_seconds()};
  if (endpoint.authorities()->size() > 0) options.http.authorities = CallerPath(endpoint.authorities()->str());
  const char* key = std::getenv(endpoint.key_variable()->c_str());
  if (key != nullptr) options.http.key = key;
  options.dialect.server = endpoint.server() == schema::ServerKind::orrery ? model::EndpointServer::kOrrery
                           : endpoint.server() == schema::ServerKind::vllm ? model::EndpointServer::kVllm
                                                                           : model::EndpointServer::kStandard;
  options.dialect.model = endpoint.model()->str();
  options.dialect.token_prompts =
      endpoint.token_prompts() || (!bytes && endpoint.server() == schema::ServerKind::orrery);
  options.dialect.log_probabilities = endpoint.log_probabilities();
  options.choices = static_cast<int>(endpoint.choices());
  options.context_length = static_cast<int>(config.model()->context_length());
  return options;
}

model::EngineOptions EngineOptionsOf(const schema::Config& config, int device) {
  const auto& model = *config.model();
  return {.precision = PrecisionOf(model.precision()),
          .threads = Threads(config.run()->threads()),
          .kv_bytes = model.kv_bytes(),
          .max_batch_rows = static_cast<int>(model.max_batch_rows()),
          .context_length = static_cast<int>(model.context_length()),
          .device = DeviceOf(config, device)};
}

model::EngineOptions PpmOptionsOf(const schema::Config& config, int device) {
  const auto& ppm = *config.ppm();
  return {.precision = PrecisionOf(ppm.precision()),
          .threads = Threads(config.run()->threads()),
          .kv_bytes = ppm.kv_bytes(),
          .max_batch_rows = static_cast<int>(ppm.max_batch_rows()),
          .device = DeviceOf(config, device)};
}

sandbox::SandboxOptions SandboxOptionsOf(const schema::SandboxConfig& config) {
  sandbox::SandboxOptions options;
  options.isolation =
      config.isolation() == schema::IsolationKind::none ? sandbox::Isolation::kNone : sandbox::Isolation::kBubblewrap;
  options.python = PythonEnvironment();
  options.wall_seconds = config.wall_seconds();
  options.memory_bytes = config.memory_bytes();
  options.output_bytes = config.output_bytes();
  options.snapshot_bytes = config.snapshot_bytes();
  options.snapshot_count = static_cast<int>(config.snapshot_count());
  options.packages = config.packages()->str();
  options.control_group = config.control_group()->str();
  return options;
}

reasoning::GraderOptions GraderOptionsOf(const schema::GraderConfig& config) {
  return {.python = PythonEnvironment(), .wall_seconds = config.wall_seconds()};
}

StatusOr<reasoning::ProblemSet> LoadProblemsOf(const schema::Config& config) {
  const auto policy = config.problems()->bad_line() == schema::BadLinePolicy::skip ? reasoning::BadLine::kSkip
                                                                                   : reasoning::BadLine::kFatal;
  ORRERY_ASSIGN_OR_RETURN(
      auto set,
      reasoning::LoadProblems(CallerOrOwnFile(config.problems()->file()->string_view()),
                              {.limit = config.run()->limit(), .offset = config.run()->offset(), .bad_line = policy}));
  const uint32_t copies = config.problems()->copies();
  if (copies == 1) return set;
  std::vector<reasoning::Problem> all;
  for (const auto& problem : set.problems) {
    for (uint32_t copy = 1; copy <= copies; ++copy) {
      all.push_back(problem);
      all.back().id = fmt::format("{}/{}", problem.id, copy);
    }
  }
  set.problems = std::move(all);
  return set;
}

int Threads(uint32_t configured) {
  if (configured != 0) return static_cast<int>(configured);
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  return CPU_COUNT(&allowed);
}

std::vector<std::string> ListOf(const std::string& list) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    parts.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::filesystem::path CallerOrOwnFile(std::string_view path) {
  auto file = CallerPath(path);
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored)) return file;
  const auto own = DataFile(path);
  return own.ok() ? *own : file;
}

}  // namespace orrery::runners
