// SPDX-License-Identifier: Apache-2.0
#pragma once

// Plain numbers as people write answers, read exactly: "1,234", "-3.50", "\frac{3}{4}", "1 1/2", "$18", "18.0 cm", "2.5
// \times 10^{3}", "50\%".

#include <optional>
#include <string>
#include <string_view>

namespace orrery::reasoning {

// ± numerator · 10^exponent / denominator, exactly as written.
struct PlainNumber {
  bool negative = false;
  std::string numerator;          // decimal digits, no leading zeros; "" is zero
  std::string denominator = "1";  // the same; never zero
  int exponent = 0;
  bool percent = false;  // a percent sign or the word followed; the value is not divided by 100
  int decimal_digits =
      0;  // significant digits of a number with digits after the point, else 0: floating-point noise shows here
  std::string unit;  // a unit of the small table ("cm", "am"), by its shortest name; empty for every other word
};

// Empty where `text` is anything else: an expression, a list, a word, two numbers side by side, a ratio.
std::optional<PlainNumber> ParsePlainNumber(std::string_view text);

// By value, a hundredth for each percent sign that is counted. Exactly, but for floating-point noise (see
// GradeNumbers).
bool SameValue(const PlainNumber& a, const PlainNumber& b, bool count_percent);

// `text` without what only dresses it: $…$, \(…\), \[…\], \boxed{…}, \text{…} and its like around the whole, \left and
// \right, thin spaces, a full stop at the end; Unicode minus signs and spaces as ASCII.
std::string Undress(std::string_view text);

}  // namespace orrery::reasoning
