// SPDX-License-Identifier: Apache-2.0
#include "runners/store_verify.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/paths.h"
#include "reasoning/verifier.h"
#include "runners/settings.h"
#include "store/convert.h"
#include "store/recorded_steps.h"

namespace orrery::runners {
namespace {

// What is counted and told, from all threads.
class Findings {
 public:
  explicit Findings(bool json) : json_(json) {}

  void Same() { ++same_; }
  void LeftOut() { ++left_out_; }

  void Differs(const std::string& problem, const store::RecordedStep* step, const std::string& field,
               const std::string& was, const std::string& is) {
    ++different_;
    const std::lock_guard lock(mutex_);
    std::string place;
    if (step != nullptr) place = fmt::format("/{}#{}", fmt::join(step->path, "/"), step->candidate);
    if (json_) {
      fmt::print(
          "{}\n",
          nlohmann::json{{"problem", problem}, {"place", place}, {"field", field}, {"recorded", was}, {"now", is}}.dump(
              -1, ' ', false, nlohmann::json::error_handler_t::replace));
    } else {
      fmt::print("{}{}: {} was {:?}, is {:?}\n", problem, place, field, was, is);
    }
  }

  uint64_t same() const { return same_; }
  uint64_t different() const { return different_; }
  uint64_t left_out() const { return left_out_; }

 private:
  const bool json_;
  std::mutex mutex_;
  std::atomic<uint64_t> same_ = 0, different_ = 0, left_out_ = 0;
};

bool Environmental(schema::Verdict verdict) {
  return verdict == schema::Verdict::TimeOut || verdict == schema::Verdict::MemoryLimit;
}

void Compare(const std::string& problem, const store::RecordedStep& step, const sandbox::StepResult& now,
             Findings* findings) {
  const auto verdict = store::RecordVerdict(now.verdict);
  const auto tell = [&](const char* field, const std::string& was, const std::string& is) {
    if (was == is) return true;
    findings->Differs(problem, &step, field, was, is);
    return false;
  };
  const bool same =
      step.checks
          ? tell("grade", schema::EnumNameGrade(step.grade), schema::EnumNameGrade(reasoning::GradeOf(verdict))) &&
                tell("error", step.error, now.error)
          : tell("verdict", schema::EnumNameVerdict(step.verdict), schema::EnumNameVerdict(verdict)) &&
                tell("output", step.output, now.output) && tell("error", step.error, now.error);
  if (same) findings->Same();
}

// A failure of the sandbox says nothing about a step: it is asked again a few times, of a fresh interpreter.
sandbox::StepResult RunAgain(sandbox::Sandbox& sandbox, const sandbox::StepRequest& request) {
  constexpr int kTries = 4;
  sandbox::StepResult result;
  for (int i = 0; i < kTries; ++i) {
    result = sandbox.Run(request);
    if (result.verdict != sandbox::Verdict::kInternal) break;
  }
  return result;
}

using Trees = std::vector<std::pair<std::string, store::TreeChunk>>;

StatusOr<Trees> ReadTrees(const store::Store& store, uint64_t limit) {
  Trees trees;
  ORRERY_RETURN_IF_ERROR(store.ForEachTree([&](std::string_view problem, const store::TreeChunk& tree) {
    trees.emplace_back(problem, tree);
    return limit == 0 || trees.size() < limit;
  }));
  return trees;
}

Status Rerun(const Trees& trees, const schema::Config& config, int count, Findings* findings) {
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  Status failure;
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&] {
      const auto run = [&]() -> Status {
        ORRERY_ASSIGN_OR_RETURN(const auto sandbox, sandbox::Sandbox::Start(SandboxOptionsOf(*config.sandbox())));
        for (size_t tree; (tree = next++) < trees.size();) {
          const auto& [problem, record] = trees[tree];
          auto steps = store::RecordedSteps(*record, config.run()->seed());
          if (!steps.ok()) return Annotate(steps.status(), problem);
          for (const auto& step : *steps) {
            // What depended on the machine is a record, not a promise.
            const bool undecided =
                step.checks && step.grade != schema::Grade::Equal && step.grade != schema::Grade::Different;
            if (Environmental(step.verdict) || undecided) {
              findings->LeftOut();
              continue;
            }
            Compare(problem, step, RunAgain(*sandbox, step.request), findings);
          }
        }
        return absl::OkStatus();
      };
      const Status status = run();
      const std::lock_guard lock(mutex);
      if (!status.ok()) failure = status;
    });
  }
  for (auto& thread : threads) thread.join();
  return failure;
}

void Say(const VerifyOptions& options, size_t trees, double seconds, const Findings& findings) {
  if (options.json) {
    fmt::print("{}\n", nlohmann::json{{"trees", trees},
                                      {"rerun", options.rerun},
                                      {"same", findings.same()},
                                      {"different", findings.different()},
                                      {"environmental_left_out", findings.left_out()},
                                      {"seconds", seconds}}
                           .dump());
    return;
  }
  if (!options.rerun) {
    fmt::print("{} trees are whole; {} differences. --rerun runs their steps again\n", trees, findings.different());
    return;
  }
  fmt::print("{} trees, run again in {:.1f} s: {} steps the same, {} differ, {} time-outs and memory kills left out\n",
             trees, seconds, findings.same(), findings.different(), findings.left_out());
}

}  // namespace

StatusOr<int> VerifyStore(const VerifyOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  ORRERY_ASSIGN_OR_RETURN(const auto text, ReadFile(options.run / "config.json"));
  ORRERY_ASSIGN_OR_RETURN(const auto config, schema::ParseConfig(text, (options.run / "config.json").string()));
  ORRERY_ASSIGN_OR_RETURN(const auto store, store::Store::OpenReadOnly(options.run / "store"));
  ORRERY_ASSIGN_OR_RETURN(const Trees trees, ReadTrees(*store, options.limit));
  if (trees.empty()) return InvalidInput("{}: its store holds no finished tree", options.run.string());
  Findings findings(options.json);
  for (const auto& [problem, record] : trees) {
    const auto tree = store::ToSearchTree(*record);
    if (!tree.ok()) findings.Differs(problem, nullptr, "tree", "a tree", Message(tree.status()));
  }
  if (options.rerun) ORRERY_RETURN_IF_ERROR(Rerun(trees, *config, Threads(options.sandboxes), &findings));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  Say(options, trees.size(), seconds, findings);
  return findings.different() == 0 ? 0 : 1;
}

}  // namespace orrery::runners
