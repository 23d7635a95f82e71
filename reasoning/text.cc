// SPDX-License-Identifier: Apache-2.0
#include "reasoning/text.h"

#include <cstdint>

namespace orrery::reasoning {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\f\v";
constexpr std::string_view kBoxed = "\\boxed";
constexpr int kMostUnbalanced = 16;  // each costs a scan to the end of the text

// Length of the well-formed sequence that starts at `at`, 0 if there is none (Unicode 15, table 3-7).
size_t SequenceLength(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) -> unsigned { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0u; };
  const unsigned lead = byte(at);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  unsigned low = 0x80, high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  if (byte(at + 1) < low || byte(at + 1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (byte(at + i) < 0x80 || byte(at + i) > 0xBF) return 0;
  }
  return length;
}

std::optional<std::string> BoxedAt(std::string_view text, size_t at) {
  const size_t begin = text.find_first_not_of(' ', at);
  if (begin == std::string_view::npos) return std::nullopt;
  if (text[begin] == '{') {
    const auto end = AfterClosingBrace(text, begin);
    if (!end) return std::nullopt;
    return std::string(Trim(text.substr(begin + 1, *end - begin - 2)));
  }
  if (begin == at) return std::nullopt;  // \boxedfoo is another command
  const size_t end = text.find_first_of("$ \t\r\n,.;", begin);
  return std::string(Trim(text.substr(begin, end == std::string_view::npos ? end : end - begin)));
}

}  // namespace

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

size_t ValidUtf8Prefix(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t length = SequenceLength(text, at);
    if (length == 0) break;
    at += length;
  }
  return at;
}

std::string_view CutUtf8(std::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<uint8_t>(text[limit]) & 0xC0) == 0x80) --limit;
  return text.substr(0, limit);
}

std::optional<size_t> AfterClosingBrace(std::string_view text, size_t open) {
  size_t depth = 0;
  for (size_t at = open; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '{') {
      ++depth;
    } else if (text[at] == '}' && --depth == 0) {
      return at + 1;
    }
  }
  return std::nullopt;
}

std::optional<std::string> LastBoxed(std::string_view text) {
  size_t at = text.rfind(kBoxed);
  for (int tries = 0; tries < kMostUnbalanced && at != std::string_view::npos; ++tries) {
    if (auto content = BoxedAt(text, at + kBoxed.size())) return content;
    at = at == 0 ? std::string_view::npos : text.rfind(kBoxed, at - 1);
  }
  return std::nullopt;
}

}  // namespace orrery::reasoning
