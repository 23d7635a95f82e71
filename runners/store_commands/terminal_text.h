// SPDX-License-Identifier: Apache-2.0
#pragma once

// Models' text on a terminal: nothing in it can move the cursor or change a colour, and it fits a width.

#include <string>
#include <string_view>
#include <vector>

namespace orrery::runners {

// Without control characters: a tab becomes two blanks, any other but the newline, and bytes that are no UTF-8, become
// U+FFFD.
std::string Printable(std::string_view text);

// Columns that printable text takes: none for a combining mark, two for a wide character.
size_t ColumnsOf(std::string_view text);

// The lines of a printable text, each of at most `width` columns; a longer one goes on in the next.
std::vector<std::string> Wrapped(std::string_view text, size_t width);

// A printable text in at most `width` columns on one line, "…" at its end where something was left out.
std::string Fitted(std::string_view text, size_t width);

// The same with blanks up to `width` columns.
std::string Padded(std::string_view text, size_t width);

// Of the terminal that standard output is; $COLUMNS, else 120, where it is none.
size_t TerminalColumns();

// Whether standard output is a terminal whose user does not mind colours (NO_COLOR).
bool Colours();

// `text` in a colour where Colours(): an SGR number such as 31, red.
std::string Coloured(std::string_view text, int sgr);

}  // namespace orrery::runners
