// SPDX-License-Identifier: Apache-2.0
#include "reasoning/number_tail.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "reasoning/text.h"

namespace orrery::reasoning {
namespace {

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Units that differ in value: "5 cm" is not "5 m". Every other word is taken for what is counted.
constexpr std::array<std::pair<std::string_view, std::string_view>, 64> kUnits = {{
    {"mm", "mm"},
    {"millimeters", "mm"},
    {"millimetres", "mm"},
    {"cm", "cm"},
    {"centimeters", "cm"},
    {"centimetres", "cm"},
    {"m", "m"},
    {"meters", "m"},
    {"metres", "m"},
    {"meter", "m"},
    {"km", "km"},
    {"kilometers", "km"},
    {"kilometres", "km"},
    {"inches", "in"},
    {"inch", "in"},
    {"feet", "ft"},
    {"foot", "ft"},
    {"ft", "ft"},
    {"yards", "yd"},
    {"yard", "yd"},
    {"miles", "mi"},
    {"mile", "mi"},
    {"g", "g"},
    {"grams", "g"},
    {"gram", "g"},
    {"kg", "kg"},
    {"kilograms", "kg"},
    {"mg", "mg"},
    {"pounds", "lb"},
    {"pound", "lb"},
    {"lb", "lb"},
    {"lbs", "lb"},
    {"ounces", "oz"},
    {"ounce", "oz"},
    {"oz", "oz"},
    {"l", "l"},
    {"L", "l"},
    {"liters", "l"},
    {"litres", "l"},
    {"ml", "ml"},
    {"mL", "ml"},
    {"s", "s"},
    {"seconds", "s"},
    {"second", "s"},
    {"min", "min"},
    {"minutes", "min"},
    {"minute", "min"},
    {"h", "h"},
    {"hours", "h"},
    {"hour", "h"},
    {"days", "day"},
    {"day", "day"},
    {"weeks", "week"},
    {"week", "week"},
    {"months", "month"},
    {"years", "year"},
    {"dollars", "dollar"},
    {"dollar", "dollar"},
    {"cents", "cent"},
    {"cent", "cent"},
    {"am", "am"},
    {"pm", "pm"},
    {"AM", "am"},
    {"PM", "pm"},
}};

// A word that makes an expression, a list or another number of what stands before it.
constexpr std::array<std::string_view, 37> kNoUnits = {
    "pi",       "sqrt",     "sin",    "cos",    "tan",    "log",        "exp",      "and",     "or",       "to",
    "but",      "not",      "plus",   "minus",  "times",  "over",       "divided",  "half",    "halves",   "quarter",
    "quarters", "third",    "thirds", "mod",    "choose", "inf",        "infinity", "hundred", "thousand", "million",
    "billion",  "trillion", "dozen",  "dozens", "theta",  "percentage", "than"};

std::string_view KnownUnit(std::string_view word) {
  const auto* found =
      std::find_if(kUnits.begin(), kUnits.end(), [&](const auto& entry) { return entry.first == word; });
  return found == kUnits.end() ? std::string_view() : found->second;
}

// \text{ cm} → " cm"; `found` says whether there was any.
std::string WithoutTextCommands(std::string_view tail, bool& found) {
  std::string plain(tail);
  for (const std::string_view command : {"\\text{", "\\mathrm{", "\\mbox{", "\\textrm{", "\\textbf{", "\\rm{"}) {
    for (size_t at = plain.find(command); at != std::string::npos; at = plain.find(command, at)) {
      const auto end = AfterClosingBrace(plain, at + command.size() - 1);
      if (!end) return plain;
      plain =
          plain.substr(0, at) + plain.substr(at + command.size(), *end - 1 - at - command.size()) + plain.substr(*end);
      found = true;
    }
  }
  return plain;
}

}  // namespace

bool ReadTail(std::string_view tail, PlainNumber& number) {
  bool in_text = false;
  const std::string plain = WithoutTextCommands(tail, in_text);
  const bool apart = in_text || tail.starts_with(' ');
  auto rest = Trim(plain);
  for (const std::string_view sign : {"\\%", "%", "percent", "per cent"}) {
    if (!rest.starts_with(sign)) continue;
    number.percent = true;
    rest = Trim(rest.substr(sign.size()));
    return rest.empty();
  }
  for (const std::string_view degree : {"^\\circ", "^{\\circ}", "°", "\\degree", "\\$", "$", "€", "£"}) {
    if (rest == degree) return true;
  }
  if (rest.empty()) return true;
  std::string power;
  for (const auto& [written, name] :
       {std::pair{"^2", "^2"}, {"^{2}", "^2"}, {"²", "^2"}, {"^3", "^3"}, {"^{3}", "^3"}, {"³", "^3"}}) {
    if (!rest.ends_with(written)) continue;
    power = name;
    rest = Trim(rest.substr(0, rest.size() - std::string_view(written).size()));
    break;
  }
  size_t words = 0;
  for (size_t at = 0; at < rest.size();) {
    size_t end = at;
    while (end < rest.size() && IsLetter(rest[end])) ++end;
    if (end == at) {
      if (std::string_view(" /.-'").find(rest[at++]) == std::string_view::npos) return false;
      continue;
    }
    const auto word = rest.substr(at, end - at);
    if (std::find(kNoUnits.begin(), kNoUnits.end(), word) != kNoUnits.end()) return false;
    const auto known = KnownUnit(word);
    // "5x", "5 x" and "5 xy" are expressions; "5cm", "5 boxes" and "5 \text{ m}" are not.
    if (words == 0 && !in_text && (word.size() == 1 || known.empty()) && (!apart || word.size() < 3)) return false;
    if (++words == 1) number.unit = known;
    at = end;
  }
  if (words == 0) return false;
  if (words > 1) number.unit.clear();
  if (!number.unit.empty()) number.unit += power;
  return true;
}

}  // namespace orrery::reasoning
