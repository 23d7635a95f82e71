// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether an answer equals the reference: numbers at once, everything else through Math-Verify in a worker process under a time limit.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace orrery::reasoning {

enum class Grade : uint8_t {
  kEqual,
  kDifferent,
  kNotParsed,  // neither: what was written could not be read as an answer
  kTimeOut,    // environmental: the comparison took too long
  kFailed,     // the grader itself failed: never a wrong answer
};

std::string_view Name(Grade grade);

// Integers, decimals, fractions, percent, thousands separators, units after the number. Empty where either side is no plain number.
std::optional<Grade> GradeNumbers(std::string_view reference, std::string_view answer);

struct GraderOptions {
  std::filesystem::path python;  // the pinned environment's folder
  double wall_seconds = 5;       // of one comparison
};

// One worker process; used by one thread at a time. Starts the process when it is first needed, and again after a time-out or a crash.
class Grader {
 public:
  static StatusOr<std::unique_ptr<Grader>> Create(const GraderOptions& options);
  virtual ~Grader() = default;

  // Numbers first, then the worker. Never throws, never blocks longer than the limit and a restart.
  virtual Grade Compare(std::string_view reference, std::string_view answer) = 0;
};

}  // namespace orrery::reasoning
