// SPDX-License-Identifier: Apache-2.0
#include "runners/campaign_run.h"

#include <prometheus/exposer.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <optional>

#include "actors/system.h"
#include "base/digest.h"
#include "base/paths.h"
#include "kernels/kernels.h"
#include "model/byte_tokenizer.h"
#include "model/model_source.h"
#include "model/registry.h"
#include "reasoning/verifier.h"
#include "runners/campaign_outputs.h"
#include "runners/progress.h"
#include "runners/settings.h"
#include "runners/stop.h"
#include "store/tree_builder.h"

namespace orrery::runners {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// What is settled before anything expensive is loaded.
struct Plan {
  schema::ResolvedConfig config;
  search::Rules rules;
  std::filesystem::path out;
  std::shared_ptr<const std::vector<reasoning::Problem>> problems;
  std::filesystem::path model;                      // empty: not needed
  std::filesystem::path ppm;                        // empty: none
  std::shared_ptr<model::EndpointEngine> endpoint;  // null: the model runs here
  reasoning::PromptTemplate prompt;
  std::string fingerprint;
};

// All that the records depend on: the result keys, the prompt, the weights, and how the engine computes on this
// machine.
StatusOr<std::string> Fingerprint(const Plan& plan) {
  std::string weights = "bytes";
  if (!plan.model.empty()) {
    ORRERY_ASSIGN_OR_RETURN(weights, model::ModelDigest(plan.model));
  }
  // A server's model is known by its name alone.
  const std::string machine =
      plan.endpoint ? "endpoint " + plan.endpoint->model() : std::string(kernels::Name(kernels::HostIsa()));
  Sha256 hash;
  if (!plan.ppm.empty()) {
    ORRERY_ASSIGN_OR_RETURN(const std::string ppm, model::ModelDigest(plan.ppm));
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
StatusOr<std::filesystem::path> PpmOf(const Plan& plan) {
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

StatusOr<Plan> MakePlan(const schema::ResolvedConfig& given, bool quiet) {
  Plan plan;
  ORRERY_ASSIGN_OR_RETURN(plan.config, ApplyPreset(given));
  plan.rules = RulesOf(*plan.config->search());
  ORRERY_ASSIGN_OR_RETURN(auto set, LoadProblemsOf(*plan.config));
  for (const auto& complaint : set.complaints) spdlog::warn("{}", complaint);
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
  ORRERY_ASSIGN_OR_RETURN(plan.fingerprint, Fingerprint(plan));
  return plan;
}

// Whether every problem already has a record of this budget: then nothing needs to be loaded.
StatusOr<bool> Finished(const Plan& plan, const store::Store& store) {
  for (const auto& problem : *plan.problems) {
    ORRERY_ASSIGN_OR_RETURN(const auto tree, store.Tree(actors::ProblemKey(problem)));
    if (!tree || !store::OfBudget(**tree, plan.rules)) return false;
  }
  return true;
}

struct Tools {
  std::shared_ptr<model::Engine> engine, ppm;
  std::vector<std::shared_ptr<sandbox::Sandbox>> sandboxes;
  std::vector<std::shared_ptr<reasoning::Grader>> graders;
};

StatusOr<Tools> LoadTools(const Plan& plan) {
  const auto& config = *plan.config;
  const int sandboxes = Threads(config.sandbox()->processes());
  std::vector<std::future<StatusOr<std::unique_ptr<sandbox::Sandbox>>>> starting;
  for (int i = 0; i < sandboxes; ++i) {
    starting.push_back(std::async(std::launch::async,
                                  [&config] { return sandbox::Sandbox::Start(SandboxOptionsOf(*config.sandbox())); }));
  }
  StatusOr<std::shared_ptr<model::Engine>> engine = std::shared_ptr<model::Engine>(plan.endpoint);
  if (!plan.endpoint) engine = model::Engine::Load(plan.model, EngineOptionsOf(config));
  Tools tools;
  Status failure;
  for (auto& future : starting) {
    auto sandbox = future.get();
    if (!sandbox.ok()) {
      failure = sandbox.status();
      continue;
    }
    tools.sandboxes.emplace_back(*std::move(sandbox));
  }
  ORRERY_RETURN_IF_ERROR(failure);
  ORRERY_RETURN_IF_ERROR(engine.status());
  tools.engine = *std::move(engine);
  if (!plan.ppm.empty()) {
    ORRERY_ASSIGN_OR_RETURN(tools.ppm, model::Engine::Load(plan.ppm, PpmOptionsOf(config)));
  }
  for (uint32_t i = 0; i < config.grader()->processes(); ++i) {
    ORRERY_ASSIGN_OR_RETURN(auto grader, reasoning::Grader::Create(GraderOptionsOf(*config.grader())));
    tools.graders.emplace_back(std::move(grader));
  }
  return tools;
}

// A checker that is no Python would call every answer wrong: it is told before the search, by one sandbox for all.
Status CheckCheckers(const std::vector<reasoning::Problem>& problems, sandbox::Sandbox& sandbox) {
  constexpr size_t kAtOnce = 500;
  for (size_t begin = 0; begin < problems.size(); begin += kAtOnce) {
    const size_t end = std::min(problems.size(), begin + kAtOnce);
    const std::string code = reasoning::CompileCheckersCode(problems, begin, end);
    if (code.empty()) continue;
    const auto result = sandbox.Run({{}, {code, 0}});
    if (result.verdict == sandbox::Verdict::kOk) continue;
    constexpr std::string_view kException = "SystemExit: ";
    const bool named = result.error.starts_with(kException);
    return InvalidInput("{}", named ? result.error.substr(kException.size())
                                    : fmt::format("the checkers of problems {} to {}: {} {}", begin + 1, end,
                                                  Name(result.verdict), result.error));
  }
  return absl::OkStatus();
}

// Why a campaign is being stopped.
enum class Stop { kNone, kSignal, kMaxTokens, kMaxHours };

// Shows progress and watches the budgets.
class Watcher {
 public:
  Watcher(const Plan& plan, const actors::Meters& meters, const actors::Telemetry& telemetry, bool quiet)
      : plan_(plan), meters_(meters), telemetry_(telemetry), progress_(quiet) {}

  bool operator()() {
    progress_.Show(Now());
    if (stop_ != Stop::kNone) return true;
    const auto& run = *plan_.config->run();
    if (StopRequested()) stop_ = Stop::kSignal;
    if (run.max_tokens() != 0 && meters_.search.tokens_generated >= run.max_tokens()) stop_ = Stop::kMaxTokens;
    if (run.max_hours() > 0 && SecondsSince(begin_) >= run.max_hours() * 3600) stop_ = Stop::kMaxHours;
    return stop_ != Stop::kNone;
  }

  Stop stop() const { return stop_; }
  double seconds() const { return SecondsSince(begin_); }

 private:
  Moment Now() const {
    const auto engine = telemetry_.engine();
    const auto& search = meters_.search;
    return {.seconds = seconds(),
            .problems = plan_.problems->size(),
            .done = search.problems_done,
            .solved = search.problems_solved,
            .rollouts = search.rollouts,
            .rollouts_planned = plan_.problems->size() * static_cast<uint64_t>(plan_.rules.rollouts),
            .tokens = engine ? engine->tokens_generated() : 0,
            .batches = engine ? engine->batches() : 0,
            .rows = engine ? engine->rows() : 0};
  }

  const Plan& plan_;
  const actors::Meters& meters_;
  const actors::Telemetry& telemetry_;
  Progress progress_;
  Clock::time_point begin_ = Clock::now();
  Stop stop_ = Stop::kNone;
};

std::shared_ptr<actors::CampaignContext> ContextOf(const Plan& plan, const Tools& tools, const store::Store* store,
                                                   actors::Meters* meters) {
  auto context = std::make_shared<actors::CampaignContext>();
  context->rules = plan.rules;
  context->prompt = plan.prompt;
  context->seed = plan.config->run()->seed();
  context->context_length = tools.engine->context_length();
  context->tokenizer = &tools.engine->tokenizer();
  if (tools.ppm) {
    context->ppm_tokenizer = &tools.ppm->tokenizer();
    context->ppm_context_length = tools.ppm->context_length();
  }
  context->store = store;
  context->meters = meters;
  return context;
}

constexpr uint32_t kLiveTrees = 64;  // enough to fill batches of hundreds of rows with five candidates each

int Conclude(const actors::CampaignOutcome& outcome, Stop stop, const std::filesystem::path& out) {
  if (!outcome.failure.empty()) {
    fmt::print(stderr, "campaign: {}\nWhat was acknowledged is kept: run the same command again to go on.\n",
               outcome.failure);
    return 1;
  }
  switch (stop) {
    case Stop::kSignal:
      fmt::print(stderr, "stopped; run the same command again to go on ({})\n", out.string());
      return outcome.stopped ? 130 : 0;
    case Stop::kMaxTokens: fmt::print(stderr, "stopped by run.max_tokens; run again with more to go on\n"); return 0;
    case Stop::kMaxHours: fmt::print(stderr, "stopped by run.max_hours; run again with more to go on\n"); return 0;
    case Stop::kNone: break;
  }
  return 0;
}

void WarnOfMissingWalls(const schema::Config& config) {
  if (config.sandbox()->isolation() != schema::IsolationKind::none) return;
  const bool colour = isatty(STDERR_FILENO) == 1 && getenv("NO_COLOR") == nullptr;
  fmt::print(stderr, "{}sandbox.isolation=none: a model's code runs on this machine without walls{}\n",
             colour ? "\x1b[1;31m" : "", colour ? "\x1b[0m" : "");
}

}  // namespace

void SetUpLog(const schema::Flags& flags) {
  auto logger = spdlog::stderr_color_mt("orrery");
  logger->set_pattern("%^%l%$: %v");
  spdlog::set_default_logger(std::move(logger));
  spdlog::set_level(flags.quiet ? spdlog::level::err : spdlog::level::from_str(flags.log_level));
}

StatusOr<int> RunCampaignOf(const schema::Flags& flags) {
  SetUpLog(flags);
  ORRERY_ASSIGN_OR_RETURN(const auto given, flags.Load());
  return RunCampaign(given, flags.quiet);
}

StatusOr<int> RunCampaign(const schema::ResolvedConfig& given, bool quiet) {
  ORRERY_ASSIGN_OR_RETURN(const Plan plan, MakePlan(given, quiet));
  WarnOfMissingWalls(*plan.config);
  ORRERY_ASSIGN_OR_RETURN(auto opened, store::Store::Open(plan.out / "store", plan.fingerprint, plan.config.json()));
  const std::shared_ptr<store::Store> store = std::move(opened);
  ORRERY_RETURN_IF_ERROR(WriteConfiguration(plan.out, plan.config));
  ORRERY_ASSIGN_OR_RETURN(const bool finished, Finished(plan, *store));
  if (finished && std::filesystem::exists(plan.out / "summary.json")) {
    fmt::print("{}: this campaign is finished; --limit or search.rollouts extend it\n", plan.out.string());
    return 0;
  }

  ORRERY_ASSIGN_OR_RETURN(Tools tools, LoadTools(plan));
  ORRERY_RETURN_IF_ERROR(CheckCheckers(*plan.problems, *tools.sandboxes.front()));
  actors::Meters meters;
  auto telemetry = std::make_shared<actors::Telemetry>(&meters);
  std::optional<prometheus::Exposer> exposer;
  if (const uint32_t port = plan.config->run()->metrics_port(); port != 0) {
    try {
      exposer.emplace(fmt::format("127.0.0.1:{}", port));
    } catch (const std::exception& error) {
      return InvalidInput("--metrics-port {}: cannot be served on the loopback address ({})", port, error.what());
    }
    exposer->RegisterCollectable(telemetry);
  }

  Watcher watcher(plan, meters, *telemetry, quiet);
  const std::vector<sandbox::Guard> guards = tools.sandboxes.front()->Guards();
  const uint32_t live = plan.config->run()->live_trees();
  const auto engine = tools.engine;
  const auto outcome = actors::RunCampaign({.context = ContextOf(plan, tools, store.get(), &meters),
                                            .problems = plan.problems,
                                            .engine = engine,
                                            .ppm = tools.ppm,
                                            .sandboxes = std::move(tools.sandboxes),
                                            .graders = std::move(tools.graders),
                                            .store = store,
                                            .telemetry = telemetry,
                                            .telemetry_file = plan.out / "telemetry.jsonl",
                                            .live_trees = live == 0 ? kLiveTrees : live,
                                            .threads = Threads(plan.config->run()->threads())},
                                           std::ref(watcher));
  const model::EngineCounters counters = engine->Counters();
  if (plan.endpoint) {
    const model::HttpCounters calls = plan.endpoint->Calls();
    spdlog::info("{} calls to {}, tried again {} times", calls.calls, plan.config->endpoint()->url()->string_view(),
                 calls.retries);
  }
  const Status written =
      WriteOutputs({.out = plan.out,
                    .config = &plan.config,
                    .fingerprint = plan.fingerprint,
                    .model = plan.endpoint ? plan.endpoint->model() : plan.config->model()->name()->str(),
                    .problems = plan.problems.get(),
                    .store = store.get(),
                    .guards = guards,
                    .seconds = watcher.seconds(),
                    .tokens = counters.tokens_generated,
                    .batches = counters.batches,
                    .rows = counters.rows,
                    .quiet = quiet});
  // What broke the search is the news; a report that could not be written after it has the same cause.
  if (outcome.failure.empty()) ORRERY_RETURN_IF_ERROR(written);
  return Conclude(outcome, watcher.stop(), plan.out);
}

}  // namespace orrery::runners
