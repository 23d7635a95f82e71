// SPDX-License-Identifier: Apache-2.0
#include "runners/evaluation/run.h"

#include <algorithm>
#include <cctype>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "actors/context.h"
#include "base/paths.h"
#include "reasoning/problem.h"
#include "runners/campaigns/run.h"
#include "runners/common/settings.h"
#include "runners/evaluation/metrics.h"
#include "runners/evaluation/tables.h"
#include "store/convert.h"

namespace orrery::runners {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Settings = std::vector<schema::KeyValue>;

// A search of one path a problem.
Settings OnePath() {
  return {{"search.rollouts", "1"},
          {"search.candidates", "1"},
          {"search.resamples", "0"},
          {"search.extra_rollouts_when_unsolved", "0"},
          {"search.further_rollouts_when_unsolved", "0"},
          {"search.initial_value", "none"},
          {"search.value", "reference"},
          {"search.beams", "0"}};
}

// A search that knows the preference model's values alone.
Settings ByScore(uint32_t beams) {
  return {{"search.initial_value", "ppm"},
          {"search.value", "ppm"},
          {"search.extra_rollouts_when_unsolved", "0"},
          {"search.further_rollouts_when_unsolved", "0"},
          {"search.beams", std::to_string(beams)}};
}

StatusOr<Settings> SettingsOf(const schema::Config& config, const std::string& method) {
  Settings settings;
  if (method == "greedy") {
    settings = OnePath();
    settings.push_back({"search.temperature", "0"});
    settings.push_back({"ppm.name", ""});
  } else if (method == "sample") {
    settings = OnePath();
    settings.push_back({"search.temperature", fmt::format("{}", config.evaluate()->temperature())});
    settings.push_back({"problems.copies", std::to_string(config.evaluate()->samples())});
  } else if (method == "search" || method == "beam") {
    if (config.ppm()->name()->size() == 0) {
      return InvalidInput("evaluate.methods: {} needs ppm.name: without the reference nothing else values a solution",
                          method);
    }
    settings = ByScore(method == "beam" ? config.evaluate()->beams() : 0);
  } else {
    return InvalidInput("evaluate.methods: expected greedy, sample, search or beam, found \"{}\"", method);
  }
  settings.push_back({"run.out", (CallerPath(config.run()->out()->str()) / method).string()});
  return settings;
}

// A question's letters, of any script, and digits: what is left of it where two files write it differently.
std::string Bare(const std::string& question) {
  std::string bare;
  for (const char c : question) {
    if (std::isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80)
      bare += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return bare;
}

// The questions of problem files, and of what campaigns left.
StatusOr<std::set<std::string>> QuestionsOf(const std::string& names) {
  std::set<std::string> questions;
  for (const std::string& name : ListOf(names)) {
    std::error_code error;
    const fs::path path = CallerPath(name);
    if (!fs::is_directory(path, error)) {
      ORRERY_ASSIGN_OR_RETURN(const auto set, reasoning::LoadProblems(path, {}));
      for (const auto& problem : set.problems) questions.insert(Bare(problem.question));
      continue;
    }
    ORRERY_ASSIGN_OR_RETURN(const auto store, store::Store::OpenReadOnly(path / "store"));
    ORRERY_RETURN_IF_ERROR(store->ForEachTree([&](std::string_view, const store::TreeChunk& tree) {
      if (tree->question() != nullptr) questions.insert(Bare(tree->question()->str()));
      return true;
    }));
  }
  return questions;
}

Status CheckOverlap(const schema::Config& config) {
  const std::string names = config.evaluate()->trained_on()->str();
  if (names.empty()) return absl::OkStatus();
  ORRERY_ASSIGN_OR_RETURN(const auto trained, QuestionsOf(names));
  ORRERY_ASSIGN_OR_RETURN(const auto tested, LoadProblemsOf(config));
  std::vector<std::string> both;
  for (const auto& problem : tested.problems) {
    if (trained.contains(Bare(problem.question))) both.push_back(problem.id);
  }
  fmt::print(stderr, "{} of {} questions are among the {} of evaluate.trained_on\n", both.size(),
             tested.problems.size(), trained.size());
  if (both.empty()) return absl::OkStatus();
  return InvalidInput("evaluate.trained_on: {} tested questions were trained on, the first of them {}", both.size(),
                      both.front());
}

// The attempts at a problem that a record holds.
Status AddAttempts(const schema::TreeRecord& record, Question& question) {
  ORRERY_ASSIGN_OR_RETURN(const search::Tree tree, store::ToSearchTree(record));
  question.tried += std::max<int>(1, static_cast<int>(tree.rollouts.size()));
  for (const search::Rollout& rollout : tree.rollouts) {
    const search::Node& end = tree.nodes[static_cast<size_t>(rollout.node)];
    if (end.end != search::End::kAnswered) continue;
    const auto* candidate = store::CandidateOf(record, rollout.node);
    question.attempts.push_back({.answer = candidate->answer()->str(), .right = end.right, .score = end.score});
  }
  return absl::OkStatus();
}

// By the problem as its file has it: copies are tries at one question.
StatusOr<std::vector<Question>> QuestionsFound(const schema::Config& config) {
  ORRERY_ASSIGN_OR_RETURN(const auto store,
                          store::Store::OpenReadOnly(CallerPath(config.run()->out()->str()) / "store"));
  ORRERY_ASSIGN_OR_RETURN(const auto set, LoadProblemsOf(config));
  const uint32_t copies = config.problems()->copies();
  std::vector<Question> questions;
  for (size_t i = 0; i < set.problems.size(); ++i) {
    if (i % copies == 0) questions.emplace_back();
    ORRERY_ASSIGN_OR_RETURN(const auto record, store->Tree(actors::ProblemKey(set.problems[i])));
    if (!record) return Failed("{}: problem {} has no record", config.run()->out()->str(), set.problems[i].id);
    ORRERY_RETURN_IF_ERROR(AddAttempts(**record, questions.back()));
  }
  return questions;
}

struct Line {
  std::string method, metric;
  Estimate estimate;
};

void Add(const std::vector<Question>& questions, const std::string& method, const std::string& metric, uint64_t seed,
         const std::function<double(const Question&)>& value, std::vector<Line>& lines) {
  std::vector<double> values;
  for (const Question& question : questions) values.push_back(value(question));
  lines.push_back({method, metric, Bootstrap(values, seed)});
}

void Measure(const std::vector<Question>& questions, const std::string& method, uint64_t seed,
             std::vector<Line>& lines) {
  int tries = 0;
  for (const Question& question : questions) tries = std::max(tries, question.tried);
  // The trajectories of one search are not; some searches have no more of them.
  const bool independent = method == "greedy" || method == "sample";
  const bool scored = std::ranges::any_of(questions, [](const Question& question) {
    return std::ranges::any_of(question.attempts, [](const Attempt& attempt) { return attempt.score.has_value(); });
  });
  const auto add = [&](const std::string& metric, const std::function<double(const Question&)>& value) {
    Add(questions, method, metric, seed, value, lines);
  };
  for (int k = 1; k <= tries && independent; k *= 2)
    add(fmt::format("pass@{}", k), [k](const Question& q) { return PassAtK(q, k); });
  if (!independent) {
    add(fmt::format("any of {}", tries),
        [](const Question& q) { return std::ranges::any_of(q.attempts, [](const Attempt& a) { return a.right; }); });
  }
  if (tries > 1) add(fmt::format("majority@{}", tries), [](const Question& q) { return MajorityRight(q, false); });
  if (!scored) return;
  add(fmt::format("weighted majority@{}", tries), [](const Question& q) { return MajorityRight(q, true); });
  add(fmt::format("best by score@{}", tries), [](const Question& q) { return BestRight(q); });
}

// The results of other evaluations, which are to stand beside these.
StatusOr<std::vector<Json>> ResultsBeside(const schema::Config& config) {
  std::vector<Json> results;
  for (const std::string& folder : ListOf(config.evaluate()->beside()->str())) {
    const fs::path path = CallerPath(folder) / "results.json";
    ORRERY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    results.push_back(Json::parse(text, nullptr, false));
    if (!results.back().is_object()) return Corrupt("evaluate.beside: {}: no JSON object", path.string());
  }
  return results;
}

// What a method's campaign cost, by its own summary.
StatusOr<Json> CostOf(const fs::path& out) {
  ORRERY_ASSIGN_OR_RETURN(const std::string text, ReadFile(out / "summary.json"));
  const Json summary = Json::parse(text, nullptr, false);
  if (!summary.is_object()) return Corrupt("{}: no JSON object", (out / "summary.json").string());
  return Json{{"tokens", summary.value("tokens_generated", 0)},
              {"steps", summary.value("steps_executed", 0)},
              {"seconds", summary["measured"].value("seconds", 0.0)},
              {"digest", summary.value("digest", "")}};
}

}  // namespace

StatusOr<Ended> RunEvaluation(const schema::ResolvedConfig& config, bool quiet) {
  const fs::path out = CallerPath(config->run()->out()->str());
  ORRERY_RETURN_IF_ERROR(CheckOverlap(*config));
  ORRERY_ASSIGN_OR_RETURN(std::vector<Json> beside, ResultsBeside(*config));
  std::vector<Line> lines;
  Json costs = Json::object();
  const std::vector<std::string> methods = ListOf(config->evaluate()->methods()->str());
  if (methods.empty()) return InvalidInput("evaluate.methods: expected greedy, sample, search or beam, found none");
  for (const std::string& method : methods) {  // all are checked before the first is run
    ORRERY_RETURN_IF_ERROR(SettingsOf(*config, method).status());
  }
  for (const std::string& method : methods) {
    ORRERY_ASSIGN_OR_RETURN(const Settings settings, SettingsOf(*config, method));
    ORRERY_ASSIGN_OR_RETURN(const auto own, schema::ParseConfig(config.json(), "evaluate." + method, settings));
    fmt::print(stderr, "{}\n", method);
    ORRERY_ASSIGN_OR_RETURN(const Ended ended, RunCampaign(own, quiet));
    if (!ended.finished) return ended;
    ORRERY_ASSIGN_OR_RETURN(const auto questions, QuestionsFound(*own));
    Measure(questions, method, config->run()->seed(), lines);
    ORRERY_ASSIGN_OR_RETURN(costs[method], CostOf(out / method));
    costs[method]["questions"] = questions.size();
  }
  Json results = {{"model", config->model()->name()->str()},
                  {"ppm", config->ppm()->name()->str()},
                  {"problems", config->problems()->file()->str()},
                  {"seed", config->run()->seed()},
                  {"costs", costs}};
  for (const Line& line : lines) {
    results["measures"].push_back({{"method", line.method},
                                   {"measure", line.metric},
                                   {"mean", line.estimate.mean},
                                   {"low", line.estimate.low},
                                   {"high", line.estimate.high}});
  }
  std::string table = ResultsTable(results, config->evaluate()->benchmark()->string_view());
  if (!beside.empty()) {
    beside.insert(beside.begin(), results);
    table += "\n" + SideBySide(beside);
  }
  ORRERY_RETURN_IF_ERROR(WriteFileAtomically(out / "results.md", table));
  ORRERY_RETURN_IF_ERROR(WriteFileAtomically(out / "results.json", results.dump(1) + "\n"));
  fmt::print("{}\n{}\n", table, (out / "results.json").string());
  return Ended{};
}

StatusOr<int> RunEvaluationOf(const schema::Flags& flags) {
  SetUpLog(flags);
  ORRERY_ASSIGN_OR_RETURN(const auto config, flags.Load());
  ORRERY_ASSIGN_OR_RETURN(const Ended ended, RunEvaluation(config, flags.quiet));
  return ended.code;
}

}  // namespace orrery::runners
