// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "reasoning/grader.h"
#include "reasoning/number.h"
#include "reasoning/text.h"

namespace orrery::reasoning {
namespace {

constexpr size_t kShortestWord = 4;  // below it a bare word may be a product of variables

bool IsAsciiLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool AllWords(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return IsAsciiLetter(c) || c == ' ' || c == '-' || c == '\''; });
}

// Lower case, blanks collapsed.
std::string Folded(std::string_view text) {
  std::string folded;
  for (const char c : text) {
    if (c == ' ' && folded.ends_with(' ')) continue;
    folded += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return folded;
}

}  // namespace

std::string_view Name(Grade grade) {
  switch (grade) {
    case Grade::kEqual: return "equal";
    case Grade::kDifferent: return "different";
    case Grade::kNotParsed: return "not-parsed";
    case Grade::kTimeOut: return "time-out";
    case Grade::kFailed: return "failed";
  }
  return "unknown";
}

std::optional<Grade> GradeNumbers(std::string_view reference, std::string_view answer) {
  const auto expected = ParsePlainNumber(reference);
  if (!expected) return std::nullopt;
  const auto given = ParsePlainNumber(answer);
  if (!given) return std::nullopt;
  if (!expected->unit.empty() && !given->unit.empty() && expected->unit != given->unit) return Grade::kDifferent;
  if (SameValue(*expected, *given, true)) return Grade::kEqual;
  const bool one_percent = expected->percent != given->percent;
  return one_percent && SameValue(*expected, *given, false) ? Grade::kEqual : Grade::kDifferent;
}

std::optional<Grade> GradeTexts(std::string_view reference, std::string_view answer) {
  const std::string expected = Undress(reference), given = Undress(answer);
  if (expected.empty() || given.empty()) return Grade::kNotParsed;
  if (expected == given) return Grade::kEqual;
  if (!AllWords(expected) || !AllWords(given)) return std::nullopt;
  const bool marked =
      reference.find("\\text") != std::string_view::npos || answer.find("\\text") != std::string_view::npos;
  if (!marked && std::min(expected.size(), given.size()) < kShortestWord) return std::nullopt;
  return Folded(expected) == Folded(given) ? Grade::kEqual : Grade::kDifferent;
}

}  // namespace orrery::reasoning
