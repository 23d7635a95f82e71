// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a campaign leaves in its folder beside the store: config.json, trajectories.jsonl, preferences.jsonl,
// summary.json, report.html.

#include <filesystem>
#include <string>
#include <vector>

#include "base/status.h"
#include "reasoning/problem.h"
#include "runners/campaigns/sessions.h"
#include "sandbox/guard.h"
#include "schema/config.h"
#include "store/store.h"

namespace orrery::runners {

inline constexpr std::string_view kVersion = "0.1.0";

struct OutputInput {
  std::filesystem::path out;
  const schema::ResolvedConfig* config = nullptr;
  std::string fingerprint;
  std::string model;  // what wrote the steps: model.name, or a server's name for it
  const std::vector<reasoning::Problem>* problems = nullptr;
  const store::Store* store = nullptr;
  std::vector<sandbox::Guard> guards;
  size_t output_limit = 4096;  // bytes of program output that enter a partial solution
  Spent spent;                 // by all sessions of the campaign
};

// The resolved configuration and the fingerprint of its result keys, written before the search begins; --config takes
// it as it is.
Status WriteConfiguration(const std::filesystem::path& out, const schema::ResolvedConfig& config);

// All the rest, from the finished trees; the lines that say what was found and what lies where.
StatusOr<std::string> WriteOutputs(const OutputInput& input);

// Whether they are there and tell of the store as it is.
StatusOr<bool> OutputsAreOf(const std::filesystem::path& out, const std::vector<reasoning::Problem>& problems,
                            const store::Store& store);

}  // namespace orrery::runners
