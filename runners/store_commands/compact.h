// SPDX-License-Identifier: Apache-2.0
#pragma once

// store compact: writes a store's files anew, so that what was replaced or deleted leaves the disk.

#include <filesystem>

#include "base/status.h"

namespace orrery::runners {

// Says the size before and after. A store that a run writes to is refused; a compaction that was killed is begun again,
// nothing is lost.
StatusOr<int> CompactStore(const std::filesystem::path& run);

}  // namespace orrery::runners
