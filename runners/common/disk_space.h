// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a full disk is told with: how much the rest of the work will need, by what the part that is done took.

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/status.h"

namespace orrery::runners {

// Whether an error says that no space was left.
bool IsDiskFull(const Status& status);

// Bytes of the regular files below a folder; what cannot be read counts nothing.
uint64_t BytesBelow(const std::filesystem::path& folder);

// Bytes that the rest needs when `written` were written for the share `done` (0 to 1) of it, with room for the store's
// own work; a lower bound where too little is done to say.
uint64_t BytesNeeded(uint64_t written, double done);

// "about 120.0 MiB more are needed for the rest: 40.0 MiB were written for 25% of it; 0 bytes are free"
std::string NeededSpace(const std::filesystem::path& folder, double done);

}  // namespace orrery::runners
