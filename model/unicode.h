// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two changes a tokenizer makes to text before it splits it: ill-formed UTF-8 replaced, and normal form C.

#include <string>
#include <string_view>

namespace orrery::model {

// Each maximal ill-formed sequence (Unicode 15, 3.9, "substitution of maximal subparts") becomes one U+FFFD.
std::string ReplaceIllFormed(std::string_view text);

// Normal form C of well-formed UTF-8, as the `tokenizers` library makes it: its tables are those of Unicode 9, so marks
// that came later stay where they are. Time O(n log n).
std::string NormalFormC(std::string_view text);

}  // namespace orrery::model
