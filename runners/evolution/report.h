// SPDX-License-Identifier: Apache-2.0
#pragma once

// An evolution as tables and a page: what each round's search solved, and how good its policy is by every measure.

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/status.h"

namespace orrery::runners {

// `rounds`: [{"round", "campaign", "policy", "ppm", "test", "other", "search"}], of each stage what its summary.json or
// results.json says, where it is there; round 0 is the base model, which has tests alone. Leaves evolution.json,
// evolution.md and report.html in `folder`.
Status WriteEvolution(const std::filesystem::path& folder, const nlohmann::ordered_json& rounds);

}  // namespace orrery::runners
