// SPDX-License-Identifier: Apache-2.0
#pragma once

// A training's page: what metrics.jsonl holds as curves, in one file that needs no network.

#include <filesystem>
#include <string>

#include "base/status.h"

namespace orrery::runners {

// Reads metrics.jsonl of `folder`, of which a line that cannot be read is passed over, and writes report.html beside
// it. `title` is what was trained.
Status WriteTrainReport(const std::filesystem::path& folder, const std::string& title);

}  // namespace orrery::runners
