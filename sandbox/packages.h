// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which packages a step may import: the setting's names against what is installed.

#include <filesystem>
#include <string>
#include <string_view>

#include "base/status.h"

namespace orrery::sandbox {

// The names of `setting` (by blanks) that are in the pinned environment's `folder` or in Python's own library, in their
// order and each once. One that ends in "?" is left out where it is not installed; any other is InvalidInput there.
StatusOr<std::string> InstalledPackages(std::string_view setting, const std::filesystem::path& folder);

}  // namespace orrery::sandbox
