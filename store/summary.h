// SPDX-License-Identifier: Apache-2.0
#pragma once

// summary.json: what a campaign did, in numbers. Users' scripts read it: fields are added, never renamed.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/status.h"
#include "sandbox/guard.h"
#include "store/export.h"
#include "store/store.h"

namespace orrery::store {

// What depends on the machine and its load; never in the digest.
struct Measured {
  double seconds = 0;  // of the search, in all the sessions it took
  double tokens_per_second = 0;
  double mean_batch_rows = 0;
  uint64_t peak_rss_bytes = 0;
  std::string cpu;
  uint32_t threads = 0;
};

struct Summary {
  std::string fingerprint;
  std::string digest;
  uint64_t problems = 0;  // of the campaign
  uint64_t finished = 0;  // of them with a finished tree; all below is counted over these
  uint64_t solved = 0;
  uint64_t rollouts = 0;
  uint64_t expansions = 0;
  uint64_t candidates = 0;        // sampled, those of the same text included
  uint64_t valid_candidates = 0;  // of them those that became a child
  uint64_t tokens_generated = 0;
  uint64_t steps_executed = 0;
  uint64_t time_outs = 0;  // environmental verdicts: they may differ on another machine
  uint64_t memory_limits = 0;
  uint64_t grader_time_outs = 0;
  uint64_t easy = 0, medium = 0, hard = 0;
  std::string model;
  uint64_t seed = 0;
  std::string version;
  std::vector<sandbox::Guard> guards;  // what stood around the models' code in the run that wrote this
  Measured measured;
};

// Everything that can be counted from the records, the digest included; model, seed, version, guards and `measured` are
// the caller's.
StatusOr<Summary> Summarise(const Store& store, const std::vector<ProblemName>& problems, std::string_view fingerprint);

// Ends with a newline; keys in the order of DESIGN.
std::string ToJson(const Summary& summary);
Status WriteSummary(const Summary& summary, const std::filesystem::path& path);

// Of this process and machine: the largest resident size so far, and the processor's name.
uint64_t PeakResidentBytes();
std::string ProcessorName();

}  // namespace orrery::store
