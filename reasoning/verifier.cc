// SPDX-License-Identifier: Apache-2.0
#include "reasoning/verifier.h"

#include <nlohmann/json.hpp>

namespace orrery::reasoning {
namespace {

// As a literal of Python: its escapes are JSON's, but for characters beyond 16 bits, which are written as they are.
std::string Literal(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

Verifier VerifierOf(const Problem& problem) {
  return problem.checker.empty() ? Verifier::kComparison : Verifier::kChecker;
}

std::string CheckerCode(std::string_view checker, const Submission& submission) {
  std::string program;
  for (const auto& step : submission.program) program += step + "\n";
  return fmt::format("answer = {}\noutput = {}\nprogram = {}\n{}\n", Literal(submission.answer),
                     Literal(submission.output), Literal(program), checker);
}

schema::Grade GradeOf(schema::Verdict verdict) {
  switch (verdict) {
    case schema::Verdict::Ok: return schema::Grade::Equal;
    case schema::Verdict::RuntimeError:
    case schema::Verdict::OutputLimit:
    case schema::Verdict::Signal: return schema::Grade::Different;
    case schema::Verdict::TimeOut: return schema::Grade::TimeOut;
    case schema::Verdict::MemoryLimit: return schema::Grade::NotParsed;
    case schema::Verdict::NotRun:
    case schema::Verdict::Internal: break;
  }
  return schema::Grade::Failed;
}

std::string CompileCheckersCode(const std::vector<Problem>& problems, size_t begin, size_t end) {
  std::string checkers;
  for (size_t i = begin; i < end; ++i) {
    if (VerifierOf(problems[i]) != Verifier::kChecker) continue;
    checkers += fmt::format("    ({}, {}),\n", Literal(problems[i].id), Literal(problems[i].checker));
  }
  if (checkers.empty()) return "";
  return fmt::format(
      "for name, checker in [\n{}]:\n"
      "    try:\n"
      "        compile(checker, 'checker', 'exec')\n"
      "    except (SyntaxError, ValueError) as error:\n"
      "        raise SystemExit(f'problem {{name}}: its checker is no Python: {{error}}')\n",
      checkers);
}

}  // namespace orrery::reasoning
