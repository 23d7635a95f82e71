// SPDX-License-Identifier: Apache-2.0
#pragma once

// A finished run's folder made in a second or two: the real actors, store, sandbox and grader over a scripted engine.

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/status.h"
#include "search/rules.h"

namespace orrery {

struct SmallCampaign {
  std::filesystem::path run;  // made if it is not there
  uint64_t seed = 9;
  search::Rules rules = {.rollouts = 6, .candidates = 4, .max_depth = 6};
  int problems = 8;     // those from the sixth on have a checker
  int first = 0;        // number of the first: p0, p1, …
  uint64_t timing = 3;  // of the engine's answers
};

// Searches and leaves config.json, store/ and telemetry.jsonl, as //runners:campaign would; fails the test otherwise.
// Source, level and licence of the problems differ.
void RunSmallCampaign(const SmallCampaign& campaign);

// What a subcommand wrote on standard output, and the exit code the program would end with; `code` is -1 where it is an
// error that kept it from starting, which is then in `text`.
struct Said {
  int code = -1;
  std::string text;

  std::vector<nlohmann::json> Lines() const;  // of --json
};
Said Saying(const std::function<StatusOr<int>()>& subcommand);

}  // namespace orrery
