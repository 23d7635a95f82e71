// SPDX-License-Identifier: Apache-2.0
#include "reasoning/number.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "reasoning/number_tail.h"
#include "reasoning/text.h"

namespace orrery::reasoning {
namespace {

constexpr size_t kLongestNumber = 200;  // bytes; longer ones are no answer that a person writes
constexpr int kLargestExponent = 400;
constexpr std::string_view kDigits = "0123456789";

// Floating-point noise: 0.1 + 0.2 prints as 0.30000000000000004.
constexpr int kNoisyDigits = 12;
constexpr long double kRelativeNoise = 1e-9L;
constexpr long double kAbsoluteNoise = 1e-6L;  // so that large whole numbers are never confused
constexpr long double kNoiseAroundZero = 1e-12L;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void ReplaceAll(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// ---- a number that is eaten from the front of a text

struct Reader {
  std::string_view rest;

  bool Eat(std::string_view token) {
    if (!rest.starts_with(token)) return false;
    rest.remove_prefix(token.size());
    return true;
  }
  bool EatBlanks() {
    const size_t before = rest.size();
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n"), rest.size()));
    return rest.size() != before;
  }
  std::string_view EatDigits() {
    const auto digits = rest.substr(0, rest.find_first_not_of(kDigits));
    rest.remove_prefix(digits.size());
    return digits;
  }
};

struct Decimal {
  std::string digits;  // all digits without the point, leading zeros dropped
  int exponent = 0;    // of ten, not above 0
  bool point = false;
  bool grouped = false;
};

// 1234, 1,234, 1{,}234, .5, 5., 5.25. Digits after a comma come in threes.
std::optional<Decimal> EatDecimal(Reader& reader) {
  Decimal decimal;
  std::string digits(reader.EatDigits());
  while (!digits.empty() && (reader.rest.starts_with(',') || reader.rest.starts_with("{,}"))) {
    Reader ahead = reader;
    ahead.Eat("{,}") || ahead.Eat(",");
    const auto group = ahead.EatDigits();
    if (group.size() != 3 || digits.front() == '0' || (!decimal.grouped && digits.size() > 3)) return std::nullopt;
    decimal.grouped = true;
    digits += group;
    reader = ahead;
  }
  if (reader.rest.starts_with('.')) {
    reader.Eat(".");
    const auto fraction = reader.EatDigits();
    if (digits.empty() && fraction.empty()) return std::nullopt;
    decimal.point = !fraction.empty();
    decimal.exponent = -static_cast<int>(fraction.size());
    digits += fraction;
  }
  if (digits.empty()) return std::nullopt;
  decimal.digits = digits.substr(std::min(digits.find_first_not_of('0'), digits.size()));
  return decimal;
}

// e5, E-05, \times 10^{5}, * 10^5, × 10^5
std::optional<int> EatExponent(Reader& reader) {
  Reader ahead = reader;
  bool braces = false;
  if (ahead.Eat("e") || ahead.Eat("E")) {
  } else {
    ahead.EatBlanks();
    if (!(ahead.Eat("\\times") || ahead.Eat("\\cdot") || ahead.Eat("×") || ahead.Eat("*"))) return 0;
    ahead.EatBlanks();
    if (!ahead.Eat("10^")) return 0;
    braces = ahead.Eat("{");
  }
  const bool negative = ahead.Eat("-");
  if (!negative) ahead.Eat("+");
  const auto digits = ahead.EatDigits();
  if (digits.empty() || (braces && !ahead.Eat("}"))) return 0;  // not an exponent: what is left over decides
  if (digits.size() > 4) return std::nullopt;
  const int value = std::atoi(std::string(digits).c_str());
  reader = ahead;
  return negative ? -value : value;
}

void SetDecimal(PlainNumber& number, const Decimal& decimal) {
  number.numerator = decimal.digits;
  number.exponent = decimal.exponent;
  if (!decimal.point) return;
  const size_t last = decimal.digits.find_last_not_of('0');
  number.decimal_digits = last == std::string::npos ? 0 : static_cast<int>(last) + 1;
}

// Numerator and denominator: whole numbers or decimals; false for a zero below.
bool SetFraction(PlainNumber& number, const Decimal& above, const Decimal& below) {
  if (below.digits.empty()) return false;
  number.numerator = above.digits;
  number.denominator = below.digits;
  number.exponent = above.exponent - below.exponent;
  return true;
}

// {…} or one digit, as TeX takes an argument; a sign inside flips `negative`.
std::optional<Decimal> EatArgument(Reader& reader, bool& negative) {
  reader.EatBlanks();
  if (!reader.Eat("{")) {
    if (reader.rest.empty() || !IsDigit(reader.rest.front())) return std::nullopt;
    Reader digit{reader.rest.substr(0, 1)};
    reader.rest.remove_prefix(1);
    return EatDecimal(digit);
  }
  reader.EatBlanks();
  if (reader.Eat("-")) negative = !negative;
  auto decimal = EatDecimal(reader);
  reader.EatBlanks();
  if (!decimal || !reader.Eat("}")) return std::nullopt;
  return decimal;
}

bool EatLatexFraction(Reader& reader, PlainNumber& number, bool sign_allowed) {
  if (!(reader.Eat("\\frac") || reader.Eat("\\dfrac") || reader.Eat("\\tfrac") || reader.Eat("\\cfrac"))) return false;
  bool negative = false;
  const auto above = EatArgument(reader, negative);
  if (!above) return false;
  const auto below = EatArgument(reader, negative);
  if (!below || (negative && !sign_allowed)) return false;
  number.negative = number.negative != negative;
  return SetFraction(number, *above, *below);
}

// value of small digit strings, for mixed numbers
std::optional<uint64_t> Small(const PlainNumber& number, const std::string& digits) {
  if (number.exponent != 0 || digits.size() > 9) return std::nullopt;
  return digits.empty() ? 0 : std::strtoull(digits.c_str(), nullptr, 10);
}

// "1 1/2", "1\frac{1}{2}": a whole number, then a proper fraction.
bool AddWhole(PlainNumber& fraction, const Decimal& whole) {
  const auto above = Small(fraction, fraction.numerator), below = Small(fraction, fraction.denominator);
  if (!above || !below || *above >= *below || whole.digits.size() > 9) return false;
  const uint64_t value =
      (whole.digits.empty() ? 0 : std::strtoull(whole.digits.c_str(), nullptr, 10)) * *below + *above;
  fraction.numerator = value == 0 ? "" : std::to_string(value);
  return true;
}

// The number itself, after its sign.
bool EatMagnitude(Reader& reader, PlainNumber& number) {
  if (reader.rest.starts_with("\\")) return EatLatexFraction(reader, number, true);
  const auto first = EatDecimal(reader);
  if (!first) return false;
  Reader ahead = reader;
  const bool blank = ahead.EatBlanks();
  if (reader.rest.starts_with("/") || ahead.rest.starts_with("/")) {
    ahead.Eat("/");
    ahead.EatBlanks();
    Reader below = ahead;
    if (const auto second = EatDecimal(below)) {
      reader = below;
      return SetFraction(number, *first, *second);
    }
  } else if (ahead.rest.starts_with("\\") && !first->point && EatLatexFraction(ahead, number, false)) {
    reader = ahead;
    return AddWhole(number, *first);
  } else if (blank && !first->point && !ahead.rest.empty() && IsDigit(ahead.rest.front())) {
    const auto above = EatDecimal(ahead);
    if (!above || above->point || !ahead.Eat("/")) return false;  // "1 2" is no number
    const auto below = EatDecimal(ahead);
    if (!below || below->point || !SetFraction(number, *above, *below)) return false;
    reader = ahead;
    return AddWhole(number, *first);
  }
  SetDecimal(number, *first);
  const auto exponent = EatExponent(reader);
  if (!exponent || std::abs(*exponent) > kLargestExponent) return false;
  number.exponent += *exponent;
  // 5e-324 is a decimal as 0.5 is
  if (*exponent < 0 && number.decimal_digits == 0) number.decimal_digits = static_cast<int>(number.numerator.size());
  return true;
}

// ---- what stands before a number

bool EatSignsAndCurrency(Reader& reader, bool& negative) {
  bool sign = false, currency = false;
  for (;;) {
    reader.EatBlanks();
    const bool minus = reader.rest.starts_with('-');
    if (minus || reader.rest.starts_with('+')) {
      if (std::exchange(sign, true)) return false;
      negative = minus;
      reader.rest.remove_prefix(1);
    } else if (reader.Eat("\\$") || reader.Eat("$") || reader.Eat("€") || reader.Eat("£") || reader.Eat("¥")) {
      if (std::exchange(currency, true)) return false;
    } else {
      return true;
    }
  }
}

// ---- exact arithmetic on digit strings

using Limbs = std::vector<uint32_t>;  // base 10^9, lowest first
constexpr uint64_t kBase = 1000000000;

Limbs ToLimbs(std::string digits, int zeros) {
  digits.append(digits.empty() ? 0 : static_cast<size_t>(zeros), '0');
  Limbs limbs;
  for (size_t end = digits.size(); end > 0;) {
    const size_t begin = end < 9 ? 0 : end - 9;
    limbs.push_back(static_cast<uint32_t>(std::atoi(digits.substr(begin, end - begin).c_str())));
    end = begin;
  }
  return limbs;
}

Limbs Multiply(const Limbs& a, const Limbs& b) {
  Limbs product(a.size() + b.size(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    uint64_t carry = 0;
    for (size_t j = 0; j < b.size() || carry > 0; ++j) {
      const uint64_t sum = product[i + j] + carry + (j < b.size() ? uint64_t{a[i]} * b[j] : 0);
      product[i + j] = static_cast<uint32_t>(sum % kBase);
      carry = sum / kBase;
    }
  }
  while (!product.empty() && product.back() == 0) product.pop_back();
  return product;
}

int Exponent(const PlainNumber& number, bool count_percent) {
  return number.exponent - (number.percent && count_percent ? 2 : 0);
}

long double Approximate(const PlainNumber& number, bool count_percent) {
  const auto value =
      std::strtold((number.numerator + "e" + std::to_string(Exponent(number, count_percent))).c_str(), nullptr);
  return (number.negative ? -1 : 1) * value / std::strtold(number.denominator.c_str(), nullptr);
}

}  // namespace

std::optional<PlainNumber> ParsePlainNumber(std::string_view text) {
  if (text.size() > kLongestNumber) return std::nullopt;
  const std::string undressed = Undress(text);
  Reader reader{undressed};
  PlainNumber number;
  if (!EatSignsAndCurrency(reader, number.negative) || !EatMagnitude(reader, number) || !ReadTail(reader.rest, number))
    return std::nullopt;
  if (number.numerator.empty()) number.negative = false;
  return number;
}

bool SameValue(const PlainNumber& a, const PlainNumber& b, bool count_percent) {
  if (a.numerator.empty() && b.numerator.empty()) return true;
  if (a.negative == b.negative) {
    const int low = std::min(Exponent(a, count_percent), Exponent(b, count_percent));
    const auto left = Multiply(ToLimbs(a.numerator, Exponent(a, count_percent) - low), ToLimbs(b.denominator, 0));
    const auto right = Multiply(ToLimbs(b.numerator, Exponent(b, count_percent) - low), ToLimbs(a.denominator, 0));
    if (left == right) return true;
  }
  if (std::max(a.decimal_digits, b.decimal_digits) < kNoisyDigits) return false;
  const long double x = Approximate(a, count_percent), y = Approximate(b, count_percent);
  if (x == 0 || y == 0) return std::fabs(x - y) <= kNoiseAroundZero;
  return std::fabs(x - y) <= std::min(kAbsoluteNoise, kRelativeNoise * std::min(std::fabs(x), std::fabs(y)));
}

std::string Undress(std::string_view text) {
  std::string plain(Trim(text));
  // A thin space between digits separates thousands, as a comma does.
  for (const std::string_view space : {"\\,", "\u202f", "\u2009"}) {
    for (size_t at = plain.find(space); at != std::string::npos; at = plain.find(space, at + 1)) {
      const size_t end = at + space.size();
      if (at > 0 && IsDigit(plain[at - 1]) && end < plain.size() && IsDigit(plain[end]))
        plain.replace(at, space.size(), ",");
    }
  }
  for (const auto& [from, to] : {std::pair{"\\left", ""},
                                 {"\\right", ""},
                                 {"\\!", ""},
                                 {"\\displaystyle", ""},
                                 {"\\,", " "},
                                 {"\\;", " "},
                                 {"\\:", " "},
                                 {"\\ ", " "},
                                 {"\\quad", " "},
                                 {"~", " "},
                                 {"\u00a0", " "},
                                 {"\u202f", " "},
                                 {"\u2009", " "},
                                 {"\u2212", "-"}}) {
    ReplaceAll(plain, from, to);
  }
  for (bool changed = true; std::exchange(changed, false);) {
    auto view = Trim(plain);
    const bool lone_backslash = view.ends_with('\\') && !view.ends_with("\\\\");
    if (view.ends_with('.') || lone_backslash) view = Trim(view.substr(0, view.size() - 1));
    for (const auto& [open, close] :
         {std::pair<std::string_view, std::string_view>{"$$", "$$"}, {"$", "$"}, {"\\(", "\\)"}, {"\\[", "\\]"}}) {
      if (view.size() >= open.size() + close.size() && view.starts_with(open) && view.ends_with(close) &&
          !view.ends_with("\\$")) {
        view = Trim(view.substr(open.size(), view.size() - open.size() - close.size()));
      }
    }
    for (const std::string_view command :
         {"\\boxed{", "\\text{", "\\textbf{", "\\textrm{", "\\mathrm{", "\\mathbf{", "\\mbox{", "\\fbox{", "{"}) {
      if (view.starts_with(command) && AfterClosingBrace(view, command.size() - 1) == view.size()) {
        view = Trim(view.substr(command.size(), view.size() - command.size() - 1));
      }
    }
    if (view.size() != plain.size()) {
      plain = std::string(view);
      changed = true;
    }
  }
  return plain;
}

}  // namespace orrery::reasoning
