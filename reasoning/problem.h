// SPDX-License-Identifier: Apache-2.0
#pragma once

// Problems as their publishers write them: a JSON-lines file of GSM8K, MATH or the plain {question|problem, answer} shape.
//
// Answer precedence (METHODS D): an answer field, the last \boxed, "#### ", "The answer is:".

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/status.h"

namespace orrery::reasoning {

struct Problem {
  std::string id;        // unique in its set: the file's own id, else its shape, line and a hash of the question
  std::string question;  // valid UTF-8
  std::string answer;    // the reference answer alone ("72", "\frac{1}{2}")
  std::string source;    // "gsm8k", "math", "plain", or the file's own field
  std::string level;     // the file's own word for difficulty, may be empty
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
StatusOr<ProblemSet> LoadProblems(const std::filesystem::path& path, const ProblemFileOptions& options);

}  // namespace orrery::reasoning
