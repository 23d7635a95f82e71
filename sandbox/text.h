// SPDX-License-Identifier: Apache-2.0
#pragma once

// Makes what a guest printed fit for a record: valid UTF-8, whatever bytes it wrote.

#include <string>
#include <string_view>

namespace orrery::sandbox {

// Well-formed UTF-8 stays; each other byte becomes \xNN (two lower-case hexadecimal digits).
std::string EscapeInvalidUtf8(std::string_view bytes);

// `bytes` without a multi-byte character that its end cuts in two.
std::string_view WithoutCutCharacter(std::string_view bytes);

// "SIGSEGV" for 11; "signal 70" for those without a name.
std::string SignalName(int signal);

}  // namespace orrery::sandbox
