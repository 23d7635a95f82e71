// SPDX-License-Identifier: Apache-2.0
#include "store/recorded_steps.h"

#include <map>

#include "reasoning/seeds.h"
#include "reasoning/verifier.h"

namespace orrery::store {
namespace {

using Expansions = std::map<Path, const schema::Expansion*>;

// The state of the interpreter at a node, and what its program printed up to there.
struct Prefix {
  std::vector<sandbox::Step> steps;
  std::string printed;
};

StatusOr<Prefix> PrefixOf(const Expansions& expansions, const Path& path, uint64_t key) {
  Prefix prefix;
  for (size_t depth = 0; depth < path.size(); ++depth) {
    const Path node(path.begin(), path.begin() + static_cast<ptrdiff_t>(depth));
    const auto found = expansions.find(node);
    const auto* candidates = found == expansions.end() ? nullptr : found->second->candidates();
    if (candidates == nullptr || path[depth] >= candidates->size())
      return Corrupt("an expansion's path takes candidate {} at depth {}, where there is none", path[depth], depth);
    const schema::Candidate& candidate = *candidates->Get(path[depth]);
    if (candidate.verdict() != schema::Verdict::Ok) continue;  // an answer, or a tolerated error
    prefix.steps.push_back({GetString(candidate.code()), reasoning::StepSeed(key, node)});
    prefix.printed += GetString(candidate.output());
  }
  return prefix;
}

}  // namespace

schema::Verdict RecordVerdict(sandbox::Verdict verdict) {
  switch (verdict) {
    case sandbox::Verdict::kOk: return schema::Verdict::Ok;
    case sandbox::Verdict::kRuntimeError: return schema::Verdict::RuntimeError;
    case sandbox::Verdict::kTimeOut: return schema::Verdict::TimeOut;
    case sandbox::Verdict::kMemoryLimit: return schema::Verdict::MemoryLimit;
    case sandbox::Verdict::kOutputLimit: return schema::Verdict::OutputLimit;
    case sandbox::Verdict::kSignal: return schema::Verdict::Signal;
    case sandbox::Verdict::kInternal: break;
  }
  return schema::Verdict::Internal;
}

schema::Grade RecordGrade(reasoning::Grade grade) {
  switch (grade) {
    case reasoning::Grade::kEqual: return schema::Grade::Equal;
    case reasoning::Grade::kDifferent: return schema::Grade::Different;
    case reasoning::Grade::kNotParsed: return schema::Grade::NotParsed;
    case reasoning::Grade::kTimeOut: return schema::Grade::TimeOut;
    case reasoning::Grade::kFailed: break;
  }
  return schema::Grade::Failed;
}

bool IsEnvironmental(schema::Verdict verdict) {
  return verdict == schema::Verdict::TimeOut || verdict == schema::Verdict::MemoryLimit;
}

bool IsEnvironmental(schema::Grade grade) { return grade == schema::Grade::TimeOut || grade == schema::Grade::Failed; }

StatusOr<std::vector<RecordedStep>> RecordedSteps(const schema::TreeRecord& tree, uint64_t seed) {
  const uint64_t key = reasoning::TreeRandomKey(seed, GetString(tree.problem()));
  Expansions expansions;
  if (tree.expansions() != nullptr) {
    for (const auto* expansion : *tree.expansions()) expansions[PathOf(*expansion)] = expansion;
  }
  std::vector<RecordedStep> steps;
  for (const auto& [path, expansion] : expansions) {
    ORRERY_ASSIGN_OR_RETURN(const Prefix prefix, PrefixOf(expansions, path, key));
    const uint64_t step_seed = reasoning::StepSeed(key, path);
    const auto* candidates = expansion->candidates();
    for (flatbuffers::uoffset_t i = 0; candidates != nullptr && i < candidates->size(); ++i) {
      const schema::Candidate& candidate = *candidates->Get(i);
      RecordedStep step;
      step.path = path;
      step.candidate = static_cast<int>(i);
      step.grade = candidate.grade();
      step.verdict = candidate.verdict();
      step.output = GetString(candidate.output());
      step.error = GetString(candidate.error());
      step.checks = tree.checker() != nullptr && candidate.grade() != schema::Grade::NotGraded;
      if (step.checks) {
        reasoning::Submission submission{GetString(candidate.answer()), prefix.printed, {}};
        for (const auto& parent : prefix.steps) submission.program.push_back(parent.code);
        step.request.step = {reasoning::CheckerCode(GetString(tree.checker()), submission), step_seed};
      } else if (candidate.verdict() != schema::Verdict::NotRun) {
        step.request = {prefix.steps, {GetString(candidate.code()), step_seed}};
      } else {
        continue;
      }
      steps.push_back(std::move(step));
    }
  }
  return steps;
}

}  // namespace orrery::store
