// SPDX-License-Identifier: Apache-2.0
#include "runners/campaigns/run.h"

#include <prometheus/exposer.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <optional>

#include "actors/system.h"
#include "base/clock.h"
#include "base/paths.h"
#include "model/tokenizer/prompt_tokens.h"
#include "reasoning/verifier.h"
#include "runners/campaigns/libraries.h"
#include "runners/campaigns/outputs.h"
#include "runners/campaigns/plan.h"
#include "runners/common/disk_space.h"
#include "runners/common/settings.h"
#include "store/tree_builder.h"

namespace orrery::runners {
namespace {

// Whether every problem already has a record of this budget: then nothing needs to be loaded.
StatusOr<bool> Finished(const CampaignPlan& plan, const store::Store& store) {
  for (const auto& problem : *plan.problems) {
    ORRERY_ASSIGN_OR_RETURN(const auto tree, store.Tree(actors::ProblemKey(problem)));
    if (!tree || !store::OfBudget(**tree, plan.rules)) return false;
  }
  return true;
}

struct Tools {
  std::shared_ptr<model::Engine> engine, ppm;
  std::vector<std::shared_ptr<model::Engine>> more_engines, more_ppms;  // of further GPUs
  std::vector<std::shared_ptr<sandbox::Sandbox>> sandboxes;
  std::vector<std::shared_ptr<reasoning::Grader>> graders;
};

StatusOr<std::shared_ptr<model::Engine>> LoadPolicy(const CampaignPlan& plan, SharedModels* models) {
  if (plan.endpoint) return std::shared_ptr<model::Engine>(plan.endpoint);
  if (models != nullptr) return models->Policy(plan.model, *plan.config);
  return model::Engine::Load(plan.model, EngineOptionsOf(*plan.config));
}

// The policy's own engine where the preference model is a linear probe on it.
StatusOr<std::shared_ptr<model::Engine>> LoadPpm(const CampaignPlan& plan, SharedModels* models,
                                                 const std::shared_ptr<model::Engine>& policy) {
  if (models != nullptr) return models->Ppm(plan.ppm, *plan.config);
  const auto options = PpmOptionsOf(*plan.config);
  ORRERY_ASSIGN_OR_RETURN(const bool taken, policy->TakeScoresOf(plan.ppm, options));
  if (!taken) return model::Engine::Load(plan.ppm, options);
  spdlog::info("{} differs from the policy in its row of outputs alone: one network serves both", plan.ppm.string());
  return policy;
}

Status LoadOnMoreDevices(const CampaignPlan& plan, Tools& tools) {
  const auto& model = *plan.config->model();
  if (model.devices() > 1 && (plan.endpoint || model.device() == schema::DeviceKind::cpu))
    return InvalidInput("model.devices: expected 1 unless model.device=cuda, found {}", model.devices());
  for (int device = 1; device < static_cast<int>(model.devices()); ++device) {
    ORRERY_ASSIGN_OR_RETURN(auto engine, model::Engine::Load(plan.model, EngineOptionsOf(*plan.config, device)));
    tools.more_engines.emplace_back(std::move(engine));
    if (plan.ppm.empty()) continue;
    ORRERY_ASSIGN_OR_RETURN(auto ppm, model::Engine::Load(plan.ppm, PpmOptionsOf(*plan.config, device)));
    tools.more_ppms.emplace_back(std::move(ppm));
  }
  return absl::OkStatus();
}

StatusOr<Tools> LoadTools(const CampaignPlan& plan, SharedModels* models) {
  const auto& config = *plan.config;
  const int sandboxes = Threads(config.sandbox()->processes());
  std::vector<std::future<StatusOr<std::unique_ptr<sandbox::Sandbox>>>> starting;
  for (int i = 0; i < sandboxes; ++i) {
    starting.push_back(std::async(std::launch::async,
                                  [&config] { return sandbox::Sandbox::Start(SandboxOptionsOf(*config.sandbox())); }));
  }
  auto engine = LoadPolicy(plan, models);
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
    ORRERY_ASSIGN_OR_RETURN(tools.ppm, LoadPpm(plan, models, tools.engine));
  }
  ORRERY_RETURN_IF_ERROR(LoadOnMoreDevices(plan, tools));
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

// Problems that no step can be written for stay unsolved: they are told before the search.
void WarnOfLongPrompts(const CampaignPlan& plan, const model::Engine& policy) {
  if (policy.context_length() <= 0) return;
  const auto room = static_cast<size_t>(policy.context_length());
  size_t around = 0;  // bytes of a prompt without its question
  for (const auto& piece : reasoning::Prompt(plan.prompt, {})) around += piece.text.size();
  for (const reasoning::Problem& problem : *plan.problems) {
    if (around + problem.question.size() < room) continue;  // a token has a byte or more
    const size_t tokens = model::EncodePrompt(policy.tokenizer(), reasoning::Prompt(plan.prompt, problem)).size();
    if (tokens >= room)
      spdlog::warn("problem {}: its prompt has {} tokens, which leaves no room in a context of {}; it stays unsolved",
                   problem.id, tokens, room);
  }
}

// Why a campaign is being stopped.
enum class Stop { kNone, kSignal, kMaxTokens, kMaxHours };

// Tells how it goes and watches the budgets.
class Watcher {
 public:
  Watcher(const CampaignPlan& plan, const actors::Meters& meters, const actors::Telemetry& telemetry,
          const Surroundings& surroundings)
      : plan_(plan), meters_(meters), telemetry_(telemetry), surroundings_(surroundings) {}

  bool operator()() {
    if (surroundings_.show) surroundings_.show(Now());
    if (stop_ != Stop::kNone) return true;
    const auto& run = *plan_.config->run();
    if (StopRequested()) stop_ = Stop::kSignal;
    if (run.max_tokens() != 0 && meters_.search.tokens_generated >= run.max_tokens()) stop_ = Stop::kMaxTokens;
    if (run.max_hours() > 0 && SecondsSince(begin_) >= run.max_hours() * 3600) stop_ = Stop::kMaxHours;
    return stop_ != Stop::kNone;
  }

  Stop stop() const { return stop_; }
  double seconds() const { return SecondsSince(begin_); }

  Moment Now() const {
    const auto engine = telemetry_.engine();
    const auto& search = meters_.search;
    return {.seconds = seconds(),
            .problems = plan_.problems->size(),
            .done = search.problems_done,
            .solved = search.problems_solved,
            .rollouts = search.rollouts,
            .rollouts_planned = plan_.rollouts(),
            .tokens = engine ? engine->tokens_generated() : 0,
            .batches = engine ? engine->batches() : 0,
            .rows = engine ? engine->rows() : 0};
  }

 private:
  const CampaignPlan& plan_;
  const actors::Meters& meters_;
  const actors::Telemetry& telemetry_;
  const Surroundings& surroundings_;
  Clock::time_point begin_ = Clock::now();
  Stop stop_ = Stop::kNone;
};

std::shared_ptr<actors::CampaignContext> ContextOf(const CampaignPlan& plan, const Tools& tools,
                                                   const store::Store* store, const store::Store* earlier,
                                                   actors::Meters* meters) {
  auto context = std::make_shared<actors::CampaignContext>();
  context->rules = plan.rules;
  context->prompt = plan.prompt;
  context->steps = StepsOf(*plan.config->search());
  context->seed = plan.config->run()->seed();
  context->context_length = tools.engine->context_length();
  context->tokenizer = &tools.engine->tokenizer();
  if (tools.ppm) {
    context->ppm_tokenizer = &tools.ppm->tokenizer();
    context->ppm_context_length = tools.ppm->context_length();
  }
  context->store = store;
  context->earlier = earlier;
  context->meters = meters;
  return context;
}

// Enough to fill batches of hundreds of rows: 64 trees with five candidates each, more where a tree asks for fewer.
size_t LiveTrees(const CampaignPlan& plan) {
  if (const uint32_t live = plan.config->run()->live_trees(); live > 0) return live;
  constexpr int kAtLeast = 64, kSequences = 320;
  const int each = plan.rules.candidates * std::min(plan.rules.wave, plan.rules.rollouts);
  return static_cast<size_t>(std::max(kAtLeast, kSequences / std::max(1, each)));
}

// What to say at the end, and with which exit code. `failure` is why the search or the writing of its outputs could not
// go on, empty where both did; `full` whether that is a full disk, and then `done` how much of the search is made.
void Conclude(const CampaignPlan& plan, const actors::CampaignOutcome& outcome, Stop stop, const std::string& failure,
              bool full, double done, CampaignEnd* end) {
  end->finished = outcome.done == plan.problems->size() && failure.empty();
  if (!failure.empty()) {
    end->code = 1;
    end->disk_full = full;
    end->words = fmt::format("campaign: {}\n", failure);
    if (full) end->words += NeededSpace(plan.out, done) + "\n";
    end->words += "What was acknowledged is kept: run the same command again to go on.\n";
    return;
  }
  switch (stop) {
    case Stop::kSignal:
      end->code = outcome.stopped ? 130 : 0;
      end->words = fmt::format("stopped; run the same command again to go on ({})\n", plan.out.string());
      break;
    case Stop::kMaxTokens: end->words = "stopped by run.max_tokens; run again with more to go on\n"; break;
    case Stop::kMaxHours: end->words = "stopped by run.max_hours; run again with more to go on\n"; break;
    case Stop::kNone: break;
  }
}

StatusOr<std::unique_ptr<prometheus::Exposer>> ServeMetrics(uint32_t port,
                                                            const std::shared_ptr<actors::Telemetry>& telemetry) {
  try {
    auto exposer = std::make_unique<prometheus::Exposer>(fmt::format("127.0.0.1:{}", port));
    exposer->RegisterCollectable(telemetry);
    return exposer;
  } catch (const std::exception& error) {
    return InvalidInput("--metrics-port {}: cannot be served on the loopback address ({})", port, error.what());
  }
}

// The run whose machine's decisions are taken; null: none's.
StatusOr<std::unique_ptr<store::Store>> EarlierRun(const schema::RunConfig& run) {
  if (run.verdicts_from()->size() == 0) return nullptr;
  auto store = store::Store::OpenReadOnly(CallerPath(run.verdicts_from()->str()) / "store");
  if (!store.ok()) return Annotate(store.status(), "run.verdicts_from");
  return *std::move(store);
}

// Searches, and writes what the folder holds beside the store.
Status Search(const CampaignPlan& plan, Tools tools, const std::shared_ptr<store::Store>& store,
              const store::Store* earlier, const Surroundings& surroundings, CampaignEnd* end) {
  actors::Meters meters;
  auto telemetry = std::make_shared<actors::Telemetry>(&meters);
  std::unique_ptr<prometheus::Exposer> exposer;
  if (const uint32_t port = plan.config->run()->metrics_port(); port != 0) {
    ORRERY_ASSIGN_OR_RETURN(exposer, ServeMetrics(port, telemetry));
  }

  const std::filesystem::path telemetry_file = plan.out / "telemetry.jsonl";
  Spent spent = SpentBefore(telemetry_file);
  Watcher watcher(plan, meters, *telemetry, surroundings);
  const std::vector<sandbox::Guard> guards = tools.sandboxes.front()->Guards();
  const auto engine = tools.engine;
  const auto outcome = actors::RunCampaign({.context = ContextOf(plan, tools, store.get(), earlier, &meters),
                                            .problems = plan.problems,
                                            .engine = engine,
                                            .ppm = tools.ppm,
                                            .more_engines = tools.more_engines,
                                            .more_ppms = tools.more_ppms,
                                            .sandboxes = std::move(tools.sandboxes),
                                            .graders = std::move(tools.graders),
                                            .store = store,
                                            .telemetry = telemetry,
                                            .telemetry_file = telemetry_file,
                                            .live_trees = LiveTrees(plan),
                                            .threads = Threads(plan.config->run()->threads())},
                                           std::ref(watcher));
  model::EngineCounters counters = engine->Counters();
  for (const auto& other : tools.more_engines) {
    const model::EngineCounters more = other->Counters();
    counters.tokens_generated += more.tokens_generated;
    counters.batches += more.batches;
    counters.rows += more.rows;
  }
  if (plan.endpoint) {
    const model::HttpCounters calls = plan.endpoint->Calls();
    spdlog::info("{} calls to {}, tried again {} times", calls.calls, plan.config->endpoint()->url()->string_view(),
                 calls.retries);
  }
  spent += {watcher.seconds(), counters.tokens_generated, counters.batches, counters.rows};
  end->seconds = spent.seconds;
  const auto written =
      WriteOutputs({.out = plan.out,
                    .config = &plan.config,
                    .fingerprint = plan.fingerprint,
                    .model = plan.endpoint ? plan.endpoint->model() : plan.config->model()->name()->str(),
                    .problems = plan.problems.get(),
                    .store = store.get(),
                    .guards = guards,
                    .spent = spent});
  end->result = written.value_or("");
  if (outcome.failure.empty() && !IsDiskFull(written.status())) {
    ORRERY_RETURN_IF_ERROR(written.status());
    Conclude(plan, outcome, watcher.stop(), "", false, 1, end);
    return absl::OkStatus();
  }
  // What broke the search is the news; a report that could not be written after it has the same cause. A store that
  // could not write any more says so again.
  const bool full = IsDiskFull(written.status()) || IsDiskFull(store->Commit());
  const Moment last = watcher.Now();
  const double done = outcome.failure.empty() ? 1
                                              : static_cast<double>(last.rollouts) /
                                                    std::max(1.0, static_cast<double>(last.rollouts_planned));
  Conclude(plan, outcome, watcher.stop(), outcome.failure.empty() ? Message(written.status()) : outcome.failure, full,
           done, end);
  return absl::OkStatus();
}

}  // namespace

void WarnOfMissingWalls(const schema::Config& config) {
  if (config.sandbox()->isolation() != schema::IsolationKind::none) return;
  const bool colour = isatty(STDERR_FILENO) == 1 && getenv("NO_COLOR") == nullptr;
  fmt::print(stderr, "{}sandbox.isolation=none: a model's code runs on this machine without walls{}\n",
             colour ? "\x1b[1;31m" : "", colour ? "\x1b[0m" : "");
}

void SetUpLog(const schema::Flags& flags) {
  auto logger = spdlog::stderr_color_mt("orrery");
  logger->set_pattern("%^%l%$: %v");
  spdlog::set_default_logger(std::move(logger));
  spdlog::set_level(flags.quiet ? spdlog::level::err : spdlog::level::from_str(flags.log_level));
}

StatusOr<int> RunCampaignOf(const schema::Flags& flags) {
  SetUpLog(flags);
  ORRERY_ASSIGN_OR_RETURN(const auto given, flags.Load());
  ORRERY_ASSIGN_OR_RETURN(const Ended ended, RunCampaign(given, flags.quiet));
  return ended.code;
}

StatusOr<Ended> RunCampaign(const schema::ResolvedConfig& given, bool quiet) {
  WarnOfMissingWalls(*given);
  StatusOr<CampaignEnd> end = CampaignEnd{};
  {
    Progress progress(quiet);
    end = RunOneCampaign(given, {.quiet = quiet, .show = [&](const Moment& moment) { progress.Show(moment); }});
  }
  ORRERY_RETURN_IF_ERROR(end.status());
  fmt::print("{}", end->result);
  fmt::print(stderr, "{}", end->words);
  return Ended{end->code, end->finished};
}

StatusOr<CampaignEnd> RunOneCampaign(const schema::ResolvedConfig& given, const Surroundings& surroundings) {
  ORRERY_ASSIGN_OR_RETURN(const CampaignPlan plan, MakePlan(given, surroundings.models, surroundings.quiet));
  if (!surroundings.quiet) {
    for (const auto& complaint : plan.complaints) spdlog::warn("{}", complaint);
  }
  ORRERY_ASSIGN_OR_RETURN(auto opened, store::Store::Open(plan.out / "store", plan.fingerprint, plan.config.json()));
  const std::shared_ptr<store::Store> store = std::move(opened);
  ORRERY_RETURN_IF_ERROR(WriteConfiguration(plan.out, plan.config));
  CampaignEnd end;
  ORRERY_ASSIGN_OR_RETURN(end.finished, Finished(plan, *store));
  if (end.finished) {
    // A run that was killed after its last tree and before its files were written has those of an earlier, smaller one.
    ORRERY_ASSIGN_OR_RETURN(end.finished, OutputsAreOf(plan.out, *plan.problems, *store));
  }
  if (end.finished) {
    end.result =
        fmt::format("{}: this campaign is finished; --limit or search.rollouts extend it\n", plan.out.string());
    return end;
  }

  ORRERY_ASSIGN_OR_RETURN(const std::string versions, LibraryVersions(PythonEnvironment()));
  ORRERY_RETURN_IF_ERROR(ClaimLibraries(*store, versions));
  ORRERY_ASSIGN_OR_RETURN(const auto earlier, EarlierRun(*plan.config->run()));
  ORRERY_ASSIGN_OR_RETURN(Tools tools, LoadTools(plan, surroundings.models));
  ORRERY_RETURN_IF_ERROR(CheckCheckers(*plan.problems, *tools.sandboxes.front()));
  if (!surroundings.quiet) WarnOfLongPrompts(plan, *tools.engine);
  ORRERY_RETURN_IF_ERROR(Search(plan, std::move(tools), store, earlier.get(), surroundings, &end));
  return end;
}

}  // namespace orrery::runners
