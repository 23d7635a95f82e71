// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/terminal_text.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

namespace orrery::runners {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// The character that begins a text; `length` is 1 and the code point negative where none does.
struct Character {
  utf8proc_int32_t code_point = -1;
  size_t length = 1;
};

Character First(std::string_view text) {
  Character character;
  const auto read = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                     static_cast<utf8proc_ssize_t>(text.size()), &character.code_point);
  if (read > 0) character.length = static_cast<size_t>(read);
  return character;
}

bool Harmless(utf8proc_int32_t code_point) {
  const auto category = utf8proc_category(code_point);
  // Format characters turn the direction of writing.
  return category != UTF8PROC_CATEGORY_CC && category != UTF8PROC_CATEGORY_CF && category != UTF8PROC_CATEGORY_CS &&
         category != UTF8PROC_CATEGORY_ZL && category != UTF8PROC_CATEGORY_ZP;
}

// The longest beginning that takes at most `width` columns.
std::string_view Beginning(std::string_view text, size_t width) {
  size_t bytes = 0, columns = 0;
  while (bytes < text.size()) {
    const Character next = First(text.substr(bytes));
    columns += ColumnsOf(text.substr(bytes, next.length));
    if (columns > width) break;
    bytes += next.length;
  }
  return text.substr(0, bytes);
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character next = First(text);
    if (next.code_point == '\n') {
      out += '\n';
    } else if (next.code_point == '\t') {
      out += "  ";
    } else if (next.code_point < 0 || !Harmless(next.code_point)) {
      out += kReplacement;
    } else {
      out += text.substr(0, next.length);
    }
    text.remove_prefix(next.length);
  }
  return out;
}

size_t ColumnsOf(std::string_view text) {
  size_t columns = 0;
  while (!text.empty()) {
    const Character next = First(text);
    columns += next.code_point < 0 ? 1 : static_cast<size_t>(std::max(0, utf8proc_charwidth(next.code_point)));
    text.remove_prefix(next.length);
  }
  return columns;
}

std::vector<std::string> Wrapped(std::string_view text, size_t width) {
  std::vector<std::string> lines;
  width = std::max<size_t>(width, 2);  // a wide character must fit
  if (text.ends_with('\n')) text.remove_suffix(1);
  for (bool more = true; more;) {
    const size_t newline = text.find('\n');
    more = newline != std::string_view::npos;
    std::string_view line = text.substr(0, newline);
    if (more) text.remove_prefix(newline + 1);
    do {
      const std::string_view part = Beginning(line, width);
      lines.emplace_back(part);
      line.remove_prefix(part.size());
    } while (!line.empty());
  }
  return lines;
}

std::string Fitted(std::string_view text, size_t width) {
  std::string line(text);
  std::ranges::replace(line, '\n', ' ');
  if (ColumnsOf(line) <= width || width == 0) return width == 0 ? std::string() : line;
  return std::string(Beginning(line, width - 1)) + "…";
}

std::string Padded(std::string_view text, size_t width) {
  std::string line = Fitted(text, width);
  line.append(width - std::min(width, ColumnsOf(line)), ' ');
  return line;
}

size_t TerminalColumns() {
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* columns = std::getenv("COLUMNS");
  const long given = columns == nullptr ? 0 : std::strtol(columns, nullptr, 10);
  return given >= 40 && given <= 10'000 ? static_cast<size_t>(given) : 120;
}

bool Colours() { return isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr; }

std::string Coloured(std::string_view text, int sgr) {
  return Colours() ? fmt::format("\x1b[{}m{}\x1b[0m", sgr, text) : std::string(text);
}

}  // namespace orrery::runners
