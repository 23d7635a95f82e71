// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/rerun.h"

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "reasoning/grader.h"
#include "reasoning/verifier.h"
#include "runners/common/settings.h"
#include "store/check.h"
#include "store/recorded_steps.h"

namespace orrery::runners {
namespace {

std::string PlaceOf(const store::Path& path, size_t candidate) {
  return fmt::format("{}#{}", store::PathText(path), candidate);
}

void Compare(const std::string& problem, const store::RecordedStep& step, const sandbox::StepResult& now,
             Findings* findings) {
  const auto verdict = store::RecordVerdict(now.verdict);
  const auto tell = [&](const char* field, const std::string& was, const std::string& is) {
    if (was == is) return true;
    findings->Differs(problem, PlaceOf(step.path, static_cast<size_t>(step.candidate)), field, was, is);
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

Status RunSteps(const std::string& problem, const schema::TreeRecord& record, uint64_t seed, sandbox::Sandbox& sandbox,
                Findings* findings) {
  auto steps = store::RecordedSteps(record, seed);
  if (!steps.ok()) return Annotate(steps.status(), problem);
  for (const auto& step : *steps) {
    // What depended on the machine is a record, not a promise.
    const bool undecided = step.checks && step.grade != schema::Grade::Equal && step.grade != schema::Grade::Different;
    if (store::IsEnvironmental(step.verdict) || undecided) {
      findings->LeftOut();
      continue;
    }
    const sandbox::StepResult now = RunAgain(sandbox, step.request);
    if (store::IsEnvironmental(store::RecordVerdict(now.verdict))) {
      findings->LeftOut();
    } else {
      Compare(problem, step, now, findings);
    }
  }
  return absl::OkStatus();
}

// Answers that were compared with a reference; those that a checker judged are steps.
void CompareAnswers(const std::string& problem, const schema::TreeRecord& record, reasoning::Grader& grader,
                    Findings* findings) {
  if (record.checker() != nullptr || record.expansions() == nullptr) return;
  std::map<std::string, schema::Grade> known;
  for (const schema::Expansion* expansion : *record.expansions()) {
    if (expansion->candidates() == nullptr) continue;
    for (flatbuffers::uoffset_t i = 0; i < expansion->candidates()->size(); ++i) {
      const schema::Candidate& candidate = *expansion->candidates()->Get(i);
      const schema::Grade was = candidate.grade();
      if (was == schema::Grade::NotGraded) continue;
      if (store::IsEnvironmental(was)) {
        findings->LeftOut();
        continue;
      }
      const auto [at, fresh] = known.try_emplace(GetString(candidate.answer()));
      if (fresh) at->second = store::RecordGrade(grader.Compare(GetString(record.answer()), at->first));
      if (at->second == was) {
        findings->Same();
      } else {
        findings->Differs(problem, PlaceOf(store::PathOf(*expansion), i), "grade", schema::EnumNameGrade(was),
                          schema::EnumNameGrade(at->second));
      }
    }
  }
}

}  // namespace

Status Rerun(const Trees& trees, const schema::Config& config, int count, Findings* findings) {
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  Status failure;
  std::vector<std::thread> threads;
  const auto run = [&]() -> Status {
    ORRERY_ASSIGN_OR_RETURN(const auto sandbox, sandbox::Sandbox::Start(SandboxOptionsOf(*config.sandbox())));
    ORRERY_ASSIGN_OR_RETURN(const auto grader, reasoning::Grader::Create(GraderOptionsOf(*config.grader())));
    for (size_t tree; (tree = next++) < trees.size();) {
      const auto& [problem, record] = trees[tree];
      ORRERY_RETURN_IF_ERROR(RunSteps(problem, *record, config.run()->seed(), *sandbox, findings));
      CompareAnswers(problem, *record, *grader, findings);
    }
    return absl::OkStatus();
  };
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&] {
      const Status status = run();
      const std::lock_guard lock(mutex);
      if (!status.ok()) failure = status;
    });
  }
  for (auto& thread : threads) thread.join();
  return failure;
}

}  // namespace orrery::runners
