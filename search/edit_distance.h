// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether two texts differ enough to be worth a comparison: Levenshtein distance in characters, cut off at a limit.

#include <string_view>

namespace orrery::search {

// The distance in Unicode characters, or `limit` if it is at least that. Time O(limit · length). A byte that is no
// UTF-8 counts as a character.
int EditDistanceUpTo(std::string_view a, std::string_view b, int limit);

}  // namespace orrery::search
