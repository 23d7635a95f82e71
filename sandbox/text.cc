// SPDX-License-Identifier: Apache-2.0
#include "sandbox/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>

namespace orrery::sandbox {
namespace {

bool Continues(char byte) { return (static_cast<uint8_t>(byte) & 0xc0) == 0x80; }

// How many bytes a character with this first byte has; 0 where none begins so.
size_t Length(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

// The length of the well-formed character at the head of `bytes` (Unicode 15, table 3-7), or 0.
size_t Character(std::string_view bytes) {
  const auto lead = static_cast<uint8_t>(bytes[0]);
  const size_t length = Length(lead);
  if (length < 2) return length;
  if (bytes.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!Continues(bytes[i])) return 0;
  }
  const auto second = static_cast<uint8_t>(bytes[1]);
  if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0)) return 0;  // overlong; surrogates
  if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90)) return 0;  // overlong; above U+10FFFF
  return length;
}

}  // namespace

std::string EscapeInvalidUtf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t length = Character(bytes);
    if (length == 0) {
      fmt::format_to(std::back_inserter(text), "\\x{:02x}", static_cast<uint8_t>(bytes[0]));
    } else {
      text.append(bytes.substr(0, length));
    }
    bytes.remove_prefix(std::max<size_t>(length, 1));
  }
  return text;
}

std::string_view WithoutCutCharacter(std::string_view bytes) {
  for (size_t back = 1; back <= std::min<size_t>(3, bytes.size()); ++back) {
    const char byte = bytes[bytes.size() - back];
    if (Continues(byte)) continue;
    return Length(static_cast<uint8_t>(byte)) > back ? bytes.substr(0, bytes.size() - back) : bytes;
  }
  return bytes;
}

std::string SignalName(int signal) {
  const char* name = sigabbrev_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", name);
}

}  // namespace orrery::sandbox
