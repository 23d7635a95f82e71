// SPDX-License-Identifier: Apache-2.0
#include "store/html.h"

#include <fmt/format.h>

#include <cmath>

namespace orrery::store {

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// Bytes of the well-formed character that begins `text`; 0 if none does (Unicode 15, table 3-7).
size_t CharacterLength(std::string_view text) {
  const auto at = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
  const auto tail = [&](size_t i) { return at(i) >> 6 == 2; };
  const uint8_t lead = at(0), second = at(1);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4 || !tail(1)) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || !tail(2) ? 0 : 3;
  return (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f) || !tail(2) || !tail(3) ? 0 : 4;
}

void AppendEscaped(std::string_view character, std::string* out) {
  switch (character[0]) {
    case '&': *out += "&amp;"; return;
    case '<': *out += "&lt;"; return;
    case '>': *out += "&gt;"; return;
    case '"': *out += "&quot;"; return;
    case '\'': *out += "&#39;"; return;
    default: break;
  }
  const bool control = (static_cast<uint8_t>(character[0]) < 0x20 && character[0] != '\n' && character[0] != '\t') ||
                       character[0] == 0x7f;
  *out += control ? kReplacement : character;
}

}  // namespace

std::string Escape(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    length == 0 ? out += kReplacement : (AppendEscaped(text.substr(0, length), &out), out);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string Shorten(std::string_view text, size_t characters) {
  std::string out;
  for (size_t count = 0; !text.empty(); ++count) {
    if (count == characters) return out + "…";
    const size_t length = std::max<size_t>(CharacterLength(text), 1);
    text[0] == '\n' ? out += ' ' : out.append(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

std::string Grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

std::string Percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? "–" : fmt::format("{:.0f}%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string Duration(double seconds) {
  if (!(seconds >= 0)) return "–";
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<uint64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string Bytes(uint64_t bytes) {
  if (bytes >= uint64_t{1} << 30) return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1 << 30));
  if (bytes >= uint64_t{1} << 20) return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
  return fmt::format("{} bytes", Grouped(bytes));
}

}  // namespace orrery::store
