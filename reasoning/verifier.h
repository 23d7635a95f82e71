// SPDX-License-Identifier: Apache-2.0
#pragma once

// How an answer at the end of a trajectory is judged: compared with the problem's reference, or tried by the problem's
// own checker, which is Python run in the sandbox. A further way is a further kind here and one more case where they
// are carried out (actors/rollout.cc).

#include <string>
#include <vector>

#include "base/status.h"
#include "reasoning/problem.h"
#include "schema/records_generated.h"

namespace orrery::reasoning {

enum class Verifier : uint8_t { kComparison, kChecker };

// A problem's own checker comes before its answer.
Verifier VerifierOf(const Problem& problem);

// What a trajectory hands in.
struct Submission {
  std::string answer;                // the content of \boxed{}
  std::string output;                // all that its program printed
  std::vector<std::string> program;  // the Python of its steps, those that ran
};

// One step of Python: the names `answer`, `output` and `program` (each a str), then the checker. It runs in an
// interpreter in which nothing of the program ever ran. The answer is right where it runs to its end.
std::string CheckerCode(std::string_view checker, const Submission& submission);

// What the verdict of that step says: an exception, too much output or a crash is a wrong answer; a deadline or the
// memory limit says nothing about it.
schema::Grade GradeOf(schema::Verdict verdict);

// One step that compiles the checkers of problems [begin, end) and fails with a line that names the first bad one.
// Empty where none of them has a checker.
std::string CompileCheckersCode(const std::vector<Problem>& problems, size_t begin, size_t end);

}  // namespace orrery::reasoning
