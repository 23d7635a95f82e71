// SPDX-License-Identifier: Apache-2.0
#pragma once

// The changes a tokenizer makes to text before it splits it (ill-formed UTF-8 replaced, normal form C), and the classes
// of characters that it asks for.

#include <cstdint>
#include <string>
#include <string_view>

namespace orrery::model {

// Each maximal ill-formed sequence (Unicode 15, 3.9, "substitution of maximal subparts") becomes one U+FFFD.
std::string ReplaceIllFormed(std::string_view text);

// Normal form C of well-formed UTF-8, as the `tokenizers` library makes it: its tables are those of Unicode 9, so marks
// that came later stay where they are. Time O(n log n).
std::string NormalFormC(std::string_view text);

// Of well-formed text that is not empty.
int32_t FirstCodePoint(std::string_view text);

// White_Space of Unicode; what a word is made of: letters, marks, decimal digits, letter-like numbers, connectors,
// joiners.
bool IsSpace(int32_t code_point);
bool IsWord(int32_t code_point);

}  // namespace orrery::model
