// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether an answer equals the reference: numbers at once, everything else through Math-Verify in a worker process
// under a time limit.

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

// Integers, decimals, fractions, percent, thousands separators, units after the number. Empty where either side is no
// plain number.
// - Values are compared exactly as written: 18.0 = 18, 3/4 = 0.75, 1/3 ≠ 0.3333, 10000 ≠ 10001. The one exception is
// floating-point noise:
//   where a side has digits after the point and at least 12 significant digits, a difference of at most 1e-9 of the
//   value and at most 1e-6 (1e-12 around zero) is none, so 0.30000000000000004 = 0.3 and 0.3333333333333333 = 1/3.
// - A percent sign on one side alone may be the unit or the hundredth: 50% = 50 and 50% = 0.5, but 50 ≠ 0.5; on both
// sides it cancels.
// - Currency and what is counted do not matter ($18 = 18 dollars = 18), but two different measures do: 5 cm ≠ 5 m, 5 am
// ≠ 5 pm.
std::optional<Grade> GradeNumbers(std::string_view reference, std::string_view answer);

// Texts that need no mathematics: the same text but for its dress is kEqual; words ("Monday", \text{Evelyn}) are
// compared without regard to case, since a reader of formulas would take "listen" and "silent" for the same product of
// letters. Empty where neither applies.
std::optional<Grade> GradeTexts(std::string_view reference, std::string_view answer);

struct GraderOptions {
  std::filesystem::path python;  // the pinned environment's folder
  double wall_seconds = 5;       // of one comparison
};

// One worker process; used by one thread at a time. Starts the process when it is first needed, and again after a
// time-out or a crash. The worker dies with the thread that started it (PR_SET_PDEATHSIG) and when its Grader ends;
// both only cost a restart.
class Grader {
 public:
  static StatusOr<std::unique_ptr<Grader>> Create(const GraderOptions& options);
  virtual ~Grader() = default;

  // Numbers first, then texts, then the worker. Never throws, never blocks longer than the limit and a restart.
  virtual Grade Compare(std::string_view reference, std::string_view answer) = 0;
};

}  // namespace orrery::reasoning
