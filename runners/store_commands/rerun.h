// SPDX-License-Identifier: Apache-2.0
#pragma once

// store verify --rerun: what the sandbox and the grader said, asked of them again.

#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "runners/store_commands/findings.h"
#include "schema/config.h"
#include "store/store.h"

namespace orrery::runners {

using Trees = std::vector<std::pair<std::string, store::TreeChunk>>;  // by key

// Runs every recorded step and compares every answer once more, on `count` threads with a sandbox and a grader each.
// What depended on the machine, time-outs and memory kills, is left out.
Status Rerun(const Trees& trees, const schema::Config& config, int count, Findings* findings);

}  // namespace orrery::runners
