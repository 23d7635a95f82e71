// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small readers of mathematical text that problems, steps and the grader share.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace orrery::reasoning {

// Without blanks (space, tab, carriage return, newline, form feed, vertical tab) at either end.
std::string_view Trim(std::string_view text);

// The bytes of `text` up to the first ill-formed UTF-8 sequence: text.size() if there is none.
// Overlong forms, surrogates and code points above U+10FFFF are ill-formed.
size_t ValidUtf8Prefix(std::string_view text);

// The longest prefix of at most `limit` bytes that does not end inside a UTF-8 sequence.
std::string_view CutUtf8(std::string_view text, size_t limit);

// The position after the brace that closes the one at `open`, escaped braces (\{ \}) aside; empty where it is never
// closed.
std::optional<size_t> AfterClosingBrace(std::string_view text, size_t open);

// The trimmed content of the last \boxed{…} with balanced braces, also of `\boxed 5` (one token). Empty where there is
// none; a last one that is never closed is passed over.
std::optional<std::string> LastBoxed(std::string_view text);

}  // namespace orrery::reasoning
