// SPDX-License-Identifier: Apache-2.0
#include "runners/evolve_run.h"

#include <nlohmann/json.hpp>
#include <set>

#include "base/paths.h"
#include "runners/campaign_run.h"
#include "runners/evaluate_run.h"
#include "runners/evolve_report.h"
#include "runners/run_store.h"
#include "runners/settings.h"
#include "runners/store_observe.h"
#include "runners/train_run.h"
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

class Evolution {
 public:
  Evolution(const schema::ResolvedConfig& config, std::vector<std::string> presets, bool quiet)
      : config_(config), presets_(std::move(presets)), quiet_(quiet), out_(CallerPath(config->run()->out()->str())) {}

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
        ORRERY_ASSIGN_OR_RETURN(const int code, (this->*stage)(round));
        if (code != 0) return code;
        ORRERY_RETURN_IF_ERROR(Report(round));
      }
    }
    ORRERY_ASSIGN_OR_RETURN(const int code, SearchTest(last));
    if (code != 0) return code;
    ORRERY_RETURN_IF_ERROR(Report(last));
    fmt::print("{}\n", (out_ / "evolution.md").string());
    return 0;
  }

 private:
  const schema::EvolveConfig& evolve() const { return *config_->evolve(); }
  fs::path Folder(uint32_t round, const char* stage) const { return out_ / fmt::format("round-{}", round) / stage; }
  std::string Policy(uint32_t round) const { return (Folder(round, "policy") / "model").string(); }
  std::string Ppm(uint32_t round) const { return (Folder(round, "ppm") / "model").string(); }

  StatusOr<schema::ResolvedConfig> With(uint32_t round, const char* stage, Settings settings) const {
    settings.push_back({"run.out", Folder(round, stage).string()});
    fmt::print(stderr, "round {}, {}\n", round, stage);
    return schema::ParseConfig(config_.json(), fmt::format("evolve, round {}, {}", round, stage), settings);
  }

  StatusOr<int> Search(uint32_t round) {
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
    ORRERY_ASSIGN_OR_RETURN(const int code, RunCampaign(config, quiet_));
    if (code != 0) return code;
    const fs::path folder = Folder(round, "campaign");
    ORRERY_ASSIGN_OR_RETURN(const Observations seen, ObserveRun(folder, kObserved, config_->run()->seed()));
    ORRERY_RETURN_IF_ERROR(WriteFileAtomically(folder / "observations.md", ToMarkdown(seen)));
    return 0;
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

  // The campaigns that a round learns from.
  std::string Data(uint32_t round) const {
    std::string data;
    for (uint32_t r = evolve().all_rounds() ? 1 : round; r <= round; ++r)
      data += (data.empty() ? "" : ",") + Folder(r, "campaign").string();
    return data;
  }

  StatusOr<int> TrainPolicy(uint32_t round) {
    Settings settings = {{"train.objective", "sft"}, {"train.data", Data(round)}};
    if (evolve().train_from()->size() > 0) settings.push_back({"model.name", evolve().train_from()->str()});
    ORRERY_ASSIGN_OR_RETURN(const auto config, With(round, "policy", settings));
    return Train(config);
  }

  // A finished training's checkpoints are several times as large as its model, and nothing needs them.
  StatusOr<int> Train(const schema::ResolvedConfig& config) const {
    ORRERY_ASSIGN_OR_RETURN(const int code, RunTraining(config, quiet_));
    if (code != 0 || evolve().keep_checkpoints()) return code;
    for (const char* name : {"checkpoint", "best"}) {
      std::error_code error;
      fs::remove_all(CallerPath(config->run()->out()->str()) / name, error);
    }
    return 0;
  }

  StatusOr<int> TrainPpm(uint32_t round) {
    // None where nobody would ask it: not the next round's search, nor the last round's test.
    if (evolve().ppm_from() == 0 || (round + 1 < evolve().ppm_from() && round < evolve().rounds())) return 0;
    ORRERY_ASSIGN_OR_RETURN(const auto config, With(round, "ppm",
                                                    {{"train.objective", "ppm"},
                                                     {"train.data", Data(round)},
                                                     {"train.epochs", std::to_string(evolve().ppm_epochs())},
                                                     {"train.rate", fmt::format("{}", evolve().ppm_rate())},
                                                     {"train.batch", std::to_string(evolve().ppm_batch())},
                                                     {"model.name", Policy(round)}}));
    return Train(config);
  }

  Settings TestSettings(uint32_t round, const std::string& file, uint64_t limit) const {
    return {{"problems.file", file},
            {"run.limit", std::to_string(limit)},
            {"run.offset", "0"},
            {"model.name", Policy(round)},
            {"search.prompt", "fine_tuned"},
            {"search.prompt_file", ""},
            {"evaluate.trained_on", Data(round)}};
  }

  StatusOr<int> Test(uint32_t round) {
    const std::string file = evolve().test_file()->str();
    if (file.empty()) return 0;
    Settings settings = TestSettings(round, file, evolve().test_limit());
    std::error_code error;
    settings.push_back({"ppm.name", fs::exists(Ppm(round), error) ? Ppm(round) : ""});
    ORRERY_ASSIGN_OR_RETURN(const auto config, With(round, "test", settings));
    return RunEvaluation(config, quiet_);
  }

  StatusOr<int> TestElsewhere(uint32_t round) {
    const std::string file = evolve().other_file()->str();
    if (file.empty()) return 0;
    Settings settings = TestSettings(round, file, evolve().other_limit());
    settings.push_back({"evaluate.methods", "greedy"});
    settings.push_back({"evaluate.benchmark", ""});
    ORRERY_ASSIGN_OR_RETURN(const auto config, With(round, "other", settings));
    return RunEvaluation(config, quiet_);
  }

  StatusOr<int> SearchTest(uint32_t round) {
    if (evolve().search_limit() == 0 || evolve().test_file()->size() == 0) return 0;
    Settings settings = TestSettings(round, evolve().test_file()->str(), evolve().search_limit());
    settings.push_back({"evaluate.methods", "search"});
    settings.push_back({"ppm.name", Ppm(round)});
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
    for (uint32_t round = 1; round <= last; ++round) {
      Json entry = {{"round", round},
                    {"campaign", Read(round, "campaign", "summary.json")},
                    {"policy", Read(round, "policy", "summary.json")},
                    {"ppm", Read(round, "ppm", "summary.json")}};
      if (!entry["campaign"].is_object()) break;
      for (const char* stage : {"test", "other", "search"}) {
        const Json results = Read(round, stage, "results.json");
        if (results.is_object()) entry[stage] = results;
      }
      rounds.push_back(std::move(entry));
    }
    return WriteEvolution(out_, rounds);
  }

  schema::ResolvedConfig config_;
  std::vector<std::string> presets_;
  bool quiet_;
  fs::path out_;
};

}  // namespace

StatusOr<int> RunEvolutionOf(const schema::Flags& flags) {
  SetUpLog(flags);
  ORRERY_ASSIGN_OR_RETURN(const auto config, flags.Load());
  ORRERY_ASSIGN_OR_RETURN(auto presets, PresetsOf(*config->evolve()));
  return Evolution(config, std::move(presets), flags.quiet).Run();
}

}  // namespace orrery::runners
