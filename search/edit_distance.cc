// SPDX-License-Identifier: Apache-2.0
#include "search/edit_distance.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace orrery::search {

namespace {

// One number a character. A stray byte gets a number above Unicode's range, so that it equals no character.
std::vector<char32_t> Characters(std::string_view text) {
  std::vector<char32_t> characters;
  characters.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    char32_t character = length == 1 ? lead : lead & (0xff >> (length + 1));
    bool whole = length > 0 && i + length <= text.size();
    for (size_t k = 1; whole && k < length; ++k) {
      const auto next = static_cast<uint8_t>(text[i + k]);
      whole = next >> 6 == 2;
      character = character << 6 | (next & 0x3f);
    }
    characters.push_back(whole ? character : 0x110000 + lead);
    i += whole ? length : 1;
  }
  return characters;
}

}  // namespace

int EditDistanceUpTo(std::string_view a_text, std::string_view b_text, int limit) {
  if (limit <= 0) return 0;
  const std::vector<char32_t> a = Characters(a_text), b = Characters(b_text);
  const int rows = static_cast<int>(a.size()), columns = static_cast<int>(b.size());
  if (std::abs(rows - columns) >= limit) return limit;

  // Cells further than limit − 1 from the diagonal cannot lie on a path shorter than the limit.
  std::vector<int> previous(columns + 1, limit), current(columns + 1, limit);
  for (int j = 0; j <= std::min(columns, limit); ++j) previous[j] = j;
  for (int i = 1; i <= rows; ++i) {
    const int first = std::max(1, i - limit + 1), last = std::min(columns, i + limit - 1);
    current[first - 1] = first == 1 ? std::min(i, limit) : limit;
    int best = current[first - 1];
    for (int j = first; j <= last; ++j) {
      const int replaced = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({limit, replaced, previous[j] + 1, current[j - 1] + 1});
      best = std::min(best, current[j]);
    }
    if (last < columns) current[last + 1] = limit;
    if (best >= limit) return limit;
    std::swap(previous, current);
  }
  return std::min(previous[columns], limit);
}

}  // namespace orrery::search
