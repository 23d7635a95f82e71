// SPDX-License-Identifier: Apache-2.0
#include "actors/context.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"

namespace orrery::actors {

int TreeContext::token_budget() const {
  const int room = campaign->context_length - static_cast<int>(prompt.size());
  return std::min(rules().max_total_tokens, room);
}

std::string ProblemKey(const reasoning::Problem& problem) {
  const uint64_t content = problem.checker.empty() ? HashParts({problem.question, problem.answer})
                                                   : HashParts({problem.question, problem.answer, problem.checker});
  return fmt::format("{}#{:016x}", problem.id, content);
}

}  // namespace orrery::actors
