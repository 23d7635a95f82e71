// SPDX-License-Identifier: Apache-2.0
#include "actors/pool.h"

namespace orrery::actors {

std::string SandboxWork::Failure(const RanChunk& answer) {
  if (answer->verdict() != schema::Verdict::Internal) return "";
  return "the sandbox failed: " + answer->error()->str();
}

std::string GraderWork::Failure(const GradedChunk& answer) {
  return answer->grade() == schema::Grade::Failed ? "the grader's worker process died" : "";
}

}  // namespace orrery::actors
