// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "model/tokenizer/unicode_tables.h"

namespace orrery::model {
namespace {

struct Sequence {
  size_t bytes;  // of the character, or of the maximal ill-formed part
  bool well_formed;
};

// The sequence at the start of `text`, which is not empty (Unicode 15, table 3-7).
Sequence Next(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {1, true};
  if (lead < 0xC2 || lead > 0xF4) return {1, false};
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  uint8_t low = 0x80, high = 0xBF;  // of the second byte
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  for (size_t i = 1; i < length; ++i) {
    if (i == text.size() || byte(i) < low || byte(i) > high) return {i, false};
    low = 0x80, high = 0xBF;
  }
  return {length, true};
}

bool IsLaterMark(int32_t code_point) {
  const auto at = static_cast<uint32_t>(code_point);
  const auto* range = std::upper_bound(std::begin(kLaterMarks), std::end(kLaterMarks), at,
                                       [](uint32_t value, const CodePointRange& r) { return value < r.first; });
  return range != std::begin(kLaterMarks) && at <= std::prev(range)->last;
}

// 0 for a starter.
int CombiningClass(int32_t code_point) {
  const int of_mark = utf8proc_get_property(code_point)->combining_class;
  return of_mark != 0 && IsLaterMark(code_point) ? 0 : of_mark;
}

std::vector<int32_t> Decompose(std::string_view text) {
  std::vector<int32_t> code_points;
  code_points.reserve(text.size());
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (auto left = static_cast<utf8proc_ssize_t>(text.size()); left > 0;) {
    utf8proc_int32_t code_point;
    const utf8proc_ssize_t bytes = utf8proc_iterate(at, left, &code_point);
    at += bytes, left -= bytes;
    constexpr int kLongest = 18;  // code points that one decomposes into
    utf8proc_int32_t parts[kLongest];
    int boundary = 0;
    const auto count = utf8proc_decompose_char(code_point, parts, kLongest, UTF8PROC_DECOMPOSE, &boundary);
    code_points.insert(code_points.end(), parts, parts + count);
  }
  return code_points;
}

// Canonical order: marks of each run sorted by class, equal ones kept in place. utf8proc's own sort is quadratic in a
// run's length.
void Order(std::vector<int32_t>& code_points) {
  const auto by_class = [](int32_t a, int32_t b) { return CombiningClass(a) < CombiningClass(b); };
  for (auto at = code_points.begin(); at != code_points.end();) {
    at = std::find_if(at, code_points.end(), [](int32_t c) { return CombiningClass(c) != 0; });
    const auto end = std::find_if(at, code_points.end(), [](int32_t c) { return CombiningClass(c) == 0; });
    std::stable_sort(at, end, by_class);
    at = end;
  }
}

void AppendComposed(int32_t* code_points, size_t count, std::string* out) {
  const auto composed = utf8proc_normalize_utf32(code_points, static_cast<utf8proc_ssize_t>(count),
                                                 static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  for (utf8proc_ssize_t i = 0; i < composed; ++i) {
    utf8proc_uint8_t bytes[4];
    const auto length = utf8proc_encode_char(code_points[i], bytes);
    out->append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
  }
}

}  // namespace

std::string ReplaceIllFormed(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto [bytes, well_formed] = Next(text);
    out += well_formed ? text.substr(0, bytes) : "\xEF\xBF\xBD";
    text.remove_prefix(bytes);
  }
  return out;
}

int32_t FirstCodePoint(std::string_view text) {
  utf8proc_int32_t code_point = 0;
  (void)utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                         static_cast<utf8proc_ssize_t>(text.size()), &code_point);
  return code_point;
}

bool IsSpace(int32_t c) {
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsWord(int32_t c) {
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: break;
  }
  // Joiners, and the circled and squared letters, which are alphabetic symbols.
  return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
         (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

std::string NormalFormC(std::string_view text) {
  // Text without a code point from U+0300 on (first byte 0xCC) is in normal form C already.
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0xCC; }))
    return std::string(text);
  std::vector<int32_t> code_points = Decompose(text);
  Order(code_points);
  std::string out;
  out.reserve(text.size());
  // A later mark begins a piece of its own, so that nothing is composed across it.
  for (size_t first = 0; first < code_points.size();) {
    size_t end = first + 1;
    while (end < code_points.size() && !IsLaterMark(code_points[end])) ++end;
    AppendComposed(code_points.data() + first, end - first, &out);
    first = end;
  }
  return out;
}

}  // namespace orrery::model
