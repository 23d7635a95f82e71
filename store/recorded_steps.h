// SPDX-License-Identifier: Apache-2.0
#pragma once

// Every step that a finished search asked of the sandbox, with what came back then: for running it again.

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "reasoning/grader.h"
#include "sandbox/sandbox.h"
#include "store/store.h"

namespace orrery::store {

// The verdict and the grade as records spell them.
schema::Verdict RecordVerdict(sandbox::Verdict verdict);
schema::Grade RecordGrade(reasoning::Grade grade);

// Whether another machine may decide otherwise (DESIGN 4): a limit of time or memory was reached.
bool IsEnvironmental(schema::Verdict verdict);
bool IsEnvironmental(schema::Grade grade);

struct RecordedStep {
  Path path;                     // of the node that was expanded
  int candidate = 0;             // in its expansion
  sandbox::StepRequest request;  // all of its parents ended ok
  bool checks = false;           // the step is the problem's checker on an answer: the grade is the record
  schema::Grade grade = schema::Grade::NotGraded;
  schema::Verdict verdict = schema::Verdict::NotRun;
  std::string output;
  std::string error;
};

// In the order of paths, so that a node's steps come after those of the nodes above it. `seed` is the campaign's.
// Corrupt where a path leads to a candidate that is not there.
StatusOr<std::vector<RecordedStep>> RecordedSteps(const schema::TreeRecord& tree, uint64_t seed);

}  // namespace orrery::store
