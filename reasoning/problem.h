// SPDX-License-Identifier: Apache-2.0
#pragma once

// Problems as their publishers write them: a JSON-lines file of GSM8K, MATH, SVAMP or the plain
// {question|problem, answer} shape.
//
// Answer precedence (METHODS D): an answer field, the last \boxed, "#### ", "The answer is:".

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace orrery::reasoning {

struct Problem {
  std::string id;        // unique in its set: the file's own id, else its shape, line and a hash of the question
  std::string question;  // valid UTF-8
  std::string answer;    // the reference answer alone ("72", "\frac{1}{2}"); may be empty where there is a checker
  std::string checker;   // Python that judges an answer in place of a comparison (verifier.h); usually empty
  std::string source;    // "gsm8k", "math", "svamp", "plain", or the file's own field
  std::string level;     // the file's own word for difficulty, may be empty
  std::string licence;   // the file's own word for what may be done with the text, may be empty
};

enum class BadLine : uint8_t { kSkip, kFatal };

struct ProblemSet {
  std::vector<Problem> problems;
  std::vector<std::string> complaints;  // "FILE:LINE: what was expected", one for each skipped line and each duplicate
};

struct ProblemFileOptions {
  uint64_t limit = 0;   // 0: all; counts good problems
  uint64_t offset = 0;  // good problems left out at the start
  BadLine bad_line = BadLine::kSkip;
};

// InvalidInput or NotFound name file and line. A file without a single good problem is an error.
// An id that came before gets "#2", "#3", … and a complaint; ids do not depend on offset and limit. Lines after the
// limit are not read.
StatusOr<ProblemSet> LoadProblems(const std::filesystem::path& path, const ProblemFileOptions& options);

// One line of such a file. The id is the line's own or empty; the error says what was expected, without file and line.
StatusOr<Problem> ParseProblem(std::string_view line);

// The answer that a worked solution names: its last \boxed, else what follows its last line-opening "####", else its
// last "The answer is:". Empty where it has none of them.
std::optional<std::string> FinalAnswer(std::string_view text);

}  // namespace orrery::reasoning
