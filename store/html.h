// SPDX-License-Identifier: Apache-2.0
#pragma once

// Text on its way into an HTML page: escaped, shortened, numbers made readable.

#include <cstdint>
#include <string>
#include <string_view>

namespace orrery::store {

// Safe as element text and inside quoted attributes. Bytes that are no UTF-8, and control characters other than tab and
// newline, become U+FFFD.
std::string Escape(std::string_view text);

// At most `characters` characters on one line, "…" at the end where something was left out. Not escaped yet.
std::string Shorten(std::string_view text, size_t characters);

std::string Grouped(uint64_t number);                // 1234567 → "1,234,567"
std::string Percent(uint64_t part, uint64_t whole);  // "74%", "–" of nothing
std::string Duration(double seconds);                // "3 min 20 s"
std::string Bytes(uint64_t bytes);                   // "1.2 GiB"

}  // namespace orrery::store
