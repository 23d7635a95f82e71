// SPDX-License-Identifier: Apache-2.0
#include "runners/evolution/run.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "base/clock.h"
#include "base/paths.h"
#include "runners/campaigns/run.h"
#include "runners/common/settings.h"
#include "runners/evaluation/run.h"
#include "runners/evolution/report.h"
#include "runners/store_commands/observe.h"
#include "runners/store_commands/run_store.h"
#include "runners/training/run.h"
#include "search/rules.h"

namespace orrery::runners {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Settings = std::vector<schema::KeyValue>;

constexpr size_t kObserved = 20;  // of each kind, in observations.md

StatusOr<std::vector<std::string>> PresetsOf(const schema::EvolveConfig& evolve) {
  std::vector<std::string> presets = ListOf(evolve.presets()->str());
  for (const std::string& preset : presets) ORRERY_RETURN_IF_ERROR(search::Preset(preset).status());
  if (presets.empty()) return InvalidInput("evolve.presets: expected a search preset, found none");
  return presets;
}

// A search must not ask a preference model that no round trains.
Status CheckPpmRounds(const schema::EvolveConfig& evolve) {
  const uint32_t asked = std::max(2U, evolve.ppm_from());  // the first round whose search asks the round before
  if (evolve.ppm_from() == 0 || asked > evolve.rounds() || evolve.ppm_trained_from() < asked) return absl::OkStatus();
  return InvalidInput(
      "evolve.ppm_trained_from: expected {} at most, since round {} asks the preference model of the round before it, "
      "found {}",
      asked - 1, asked, evolve.ppm_trained_from());
}

class Evolution {
 public:
  Evolution(const schema::ResolvedConfig& config, std::vector<std::string> presets, bool quiet)
      : config_(config), presets_(std::move(presets)), quiet_(quiet), out_(CallerPath(config->run()->out()->str())) {}

  // One round after the other, then what nothing waits for: the base model's tests, as those of round 0, and the
  // searches of the test questions.
  StatusOr<int> Run() {
    uint32_t last = 1;
    for (uint32_t round = 1; round <= evolve().rounds(); last = round++) {
      if (round > 2 && evolve().stop_gain() > 0) {
        ORRERY_ASSIGN_OR_RETURN(const double gain, GainOf(round - 1));
        if (gain < evolve().stop_gain()) {
          fmt::print(stderr, "round {} solved {:.1f}% of the problems for the first time: less than evolve.stop_gain\n",
                     round - 1, 100 * gain);
          break;
        }
      }
      for (const auto stage : {&Evolution::Search, &Evolution::TrainPolicy, &Evolution::TrainPpm, &Evolution::Test,
                               &Evolution::TestElsewhere}) {
        ORRERY_ASSIGN_OR_RETURN(const Ended ended, (this->*stage)(round));
        ORRERY_RETURN_IF_ERROR(Report(round));
        if (!ended.finished) return ended.code;
      }
    }
    const std::function<StatusOr<Ended>()> stages[] = {[&] { return Test(0); }, [&] { return TestElsewhere(0); },
                                                       [&] { return SearchTest(last, last); },
                                                       [&] { return SearchTest(0, last); }};
    for (const auto& stage : stages) {
      ORRERY_ASSIGN_OR_RETURN(const Ended ended, stage());
      ORRERY_RETURN_IF_ERROR(Report(last));
      if (!ended.finished) return ended.code;
    }
    fmt::print("{}\n", (out_ / "evolution.md").string());
    return 0;
  }

 private:
  const schema::EvolveConfig& evolve() const { return *config_->evolve(); }
  fs::path Folder(uint32_t round, const char* stage) const { return out_ / fmt::format("round-{}", round) / stage; }
  // Round 0: what every round's policy is trained from.
  std::string Policy(uint32_t round) const {
    if (round > 0) return (Folder(round, "policy") / "model").string();
    return evolve().train_from()->size() > 0 ? evolve().train_from()->str() : config_->model()->name()->str();
  }
  std::string Ppm(uint32_t round) const { return (Folder(round, "ppm") / "model").string(); }

  StatusOr<schema::ResolvedConfig> With(uint32_t round, const char* stage, Settings settings) const {
    settings.push_back({"run.out", Folder(round, stage).string()});
    // A stage that is finished takes no time; any other stops at once when there is none left: before a clock ticks.
    constexpr double kNoneLeft = 1e-15;
    if (const double hours = config_->run()->max_hours(); hours > 0)
      settings.push_back(
          {"run.max_hours", fmt::format("{}", std::max(kNoneLeft, hours - SecondsSince(begin_) / 3600))});
    fmt::print(stderr, "round {}, {}\n", round, stage);
    return schema::ParseConfig(config_.json(), fmt::format("evolve, round {}, {}", round, stage), settings);
  }

  StatusOr<Ended> Search(uint32_t round) {
    Settings settings = {{"search.preset", presets_[std::min<size_t>(round, presets_.size()) - 1]}};
    const bool asks = evolve().ppm_from() > 0 && round >= evolve().ppm_from() && round > 1;
    if (!asks) {
      settings.push_back({"search.initial_value", "none"});
    } else {
      settings.push_back({"search.initial_value", "ppm"});
      settings.push_back({"ppm.name", Ppm(round - 1)});
    }
    if (round > 1) {
      settings.push_back({"model.name", Policy(round - 1)});
      settings.push_back({"search.prompt", "fine_tuned"});
      settings.push_back({"search.prompt_file", ""});
    }
    ORRERY_ASSIGN_OR_RETURN(const auto config, With(round, "campaign", settings));
    ORRERY_ASSIGN_OR_RETURN(const Ended ended, RunCampaign(config, quiet_));
    if (!ended.finished) return ended;
    const fs::path folder = Folder(round, "campaign");
    ORRERY_ASSIGN_OR_RETURN(const Observations seen, ObserveRun(folder, kObserved, config_->run()->seed()));
    ORRERY_RETURN_IF_ERROR(WriteFileAtomically(folder / "observations.md", ToMarkdown(seen)));
    return ended;
  }

  // Of a round's problems, the share that it solved and no round before it did.
  StatusOr<double> GainOf(uint32_t round) const {
    std::set<std::string> known;
    uint64_t problems = 0, fresh = 0;
    for (uint32_t r = 1; r <= round; ++r) {
      ORRERY_ASSIGN_OR_RETURN(const auto store, OpenRun(Folder(r, "campaign")));
      ORRERY_RETURN_IF_ERROR(store->ForEachTree([&](std::string_view key, const store::TreeChunk& tree) {
        const bool first = tree->solved() && known.emplace(key).second;
        if (r == round) ++problems, fresh += first ? 1 : 0;
        return true;
      }));
    }
    return problems == 0 ? 0 : static_cast<double>(fresh) / static_cast<double>(problems);
  }

  // The campaigns that a round learns from, the latest first, as a training prefers them.
  std::string Data(uint32_t round) const {
    std::string data;
    for (uint32_t r = round, first = evolve().all_rounds() ? 1 : round; r >= first; --r)
      data += (data.empty() ? "" : ",") + Folder(r, "campaign").string();
    return data;
  }

  StatusOr<Ended> TrainPolicy(uint32_t round) {
    return Train(round, "policy", {{"train.objective", "sft"}, {"train.data", Data(round)}, {"model.name", Policy(0)}});
  }

  // A finished training's checkpoints are several times as large as its model, and nothing needs them.
  // Where searches are in int8 trainings are in bfloat16.
  StatusOr<Ended> Train(uint32_t round, const char* stage, Settings settings) const {
    if (config_->model()->precision() == schema::WeightPrecision::int8)
      settings.push_back({"model.precision", "bfloat16"});
    ORRERY_ASSIGN_OR_RETURN(const auto config, With(round, stage, std::move(settings)));
    ORRERY_ASSIGN_OR_RETURN(const Ended ended, RunTraining(config, quiet_));
    if (!ended.finished || evolve().keep_checkpoints()) return ended;
    for (const char* name : {"checkpoint", "best"}) {
      std::error_code error;
      fs::remove_all(CallerPath(config->run()->out()->str()) / name, error);
    }
    return ended;
  }

  StatusOr<Ended> TrainPpm(uint32_t round) {
    if (evolve().ppm_from() == 0 || round < evolve().ppm_trained_from()) return Ended{};
    return Train(round, "ppm",
                 {{"train.objective", "ppm"},
                  {"train.data", Data(round)},
                  {"train.epochs", std::to_string(evolve().ppm_epochs())},
                  {"train.rate", fmt::format("{}", evolve().ppm_rate())},
                  {"train.batch", std::to_string(evolve().ppm_batch())},
                  {"model.name", Policy(round)}});
  }

  Settings TestSettings(uint32_t round, const std::string& file, uint64_t limit) const {
    Settings settings = {{"problems.file", file},
                         {"run.limit", std::to_string(limit)},
                         {"run.offset", "0"},
                         {"model.name", Policy(round)}};
    if (round > 0) {
      settings.push_back({"search.prompt", "fine_tuned"});
      settings.push_back({"search.prompt_file", ""});
      settings.push_back({"evaluate.trained_on", Data(round)});
    }
    return settings;
  }

  // What a round without a preference model is tested by.
  std::string UnvaluedMethods() const {
    std::string methods;
    for (const std::string& method : ListOf(config_->evaluate()->methods()->str())) {
      if (method != "search" && method != "beam") methods += (methods.empty() ? "" : ",") + method;
    }
    return methods.empty() ? "greedy" : methods;
  }

  StatusOr<Ended> Test(uint32_t round) {
    const std::string file = evolve().test_file()->str();
    if (file.empty()) return Ended{};
    Settings settings = TestSettings(round, file, evolve().test_limit());
    std::error_code error;
    const bool valued = round > 0 && fs::exists(Ppm(round), error);
    settings.push_back({"ppm.name", valued ? Ppm(round) : ""});
    if (!valued) settings.push_back({"evaluate.methods", UnvaluedMethods()});
    ORRERY_ASSIGN_OR_RETURN(const auto config, With(round, "test", settings));
    return RunEvaluation(config, quiet_);
  }

  StatusOr<Ended> TestElsewhere(uint32_t round) {
    const std::string file = evolve().other_file()->str();
    if (file.empty()) return Ended{};
    Settings settings = TestSettings(round, file, evolve().other_limit());
    settings.push_back({"evaluate.methods", "greedy"});
    settings.push_back({"evaluate.benchmark", ""});
    ORRERY_ASSIGN_OR_RETURN(const auto config, With(round, "other", settings));
    return RunEvaluation(config, quiet_);
  }

  // With the preference model of another round than the policy, which may be the base.
  StatusOr<Ended> SearchTest(uint32_t round, uint32_t ppm_round) {
    if (evolve().search_limit() == 0 || evolve().test_file()->size() == 0) return Ended{};
    Settings settings = TestSettings(round, evolve().test_file()->str(), evolve().search_limit());
    settings.push_back({"evaluate.methods", "search"});
    settings.push_back({"ppm.name", Ppm(ppm_round)});
    ORRERY_ASSIGN_OR_RETURN(const auto config, With(round, "search", settings));
    return RunEvaluation(config, quiet_);
  }

  Json Read(uint32_t round, const char* stage, const char* file) const {
    const auto text = ReadFile(Folder(round, stage) / file);
    return text.ok() ? Json::parse(*text, nullptr, false) : Json();
  }

  // What is there so far, of all rounds up to this one.
  Status Report(uint32_t last) const {
    Json rounds = Json::array();
    for (uint32_t round = 0; round <= last; ++round) {
      Json entry = {{"round", round},
                    {"campaign", Read(round, "campaign", "summary.json")},
                    {"policy", Read(round, "policy", "summary.json")},
                    {"ppm", Read(round, "ppm", "summary.json")}};
      bool tested = false;
      for (const char* stage : {"test", "other", "search"}) {
        Json results = Read(round, stage, "results.json");
        if (!results.is_object()) continue;
        entry[stage] = std::move(results);
        tested = true;
      }
      if (tested || entry["campaign"].is_object()) rounds.push_back(std::move(entry));
    }
    return WriteEvolution(out_, rounds);
  }

  schema::ResolvedConfig config_;
  std::vector<std::string> presets_;
  bool quiet_;
  fs::path out_;
  const Clock::time_point begin_ = Clock::now();
};

}  // namespace

StatusOr<int> RunEvolutionOf(const schema::Flags& flags) {
  SetUpLog(flags);
  ORRERY_ASSIGN_OR_RETURN(const auto config, flags.Load());
  ORRERY_ASSIGN_OR_RETURN(auto presets, PresetsOf(*config->evolve()));
  ORRERY_RETURN_IF_ERROR(CheckPpmRounds(*config->evolve()));
  return Evolution(config, std::move(presets), flags.quiet).Run();
}

}  // namespace orrery::runners
