// SPDX-License-Identifier: Apache-2.0
#pragma once

// One campaign of real actors, messages and store over a simulated model and simulated tools (simulation/engine.h), and
// what it took: for knowing what the engine itself costs at a size that no model here could keep busy.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/status.h"
#include "reasoning/problem.h"
#include "search/rules.h"
#include "simulation/engine.h"
#include "simulation/profile.h"

namespace orrery::bench {

struct ScaleSetting {
  std::shared_ptr<const simulation::Profile> profile;
  search::Rules rules;
  uint64_t problems = 100;
  size_t live_trees = 100;
  int threads = 2;     // of the actors
  size_t workers = 2;  // of the sandbox's pool; the grader has one
  simulation::Pace pace;
  std::filesystem::path folder;  // of the store; must not be there
};

// One look at a running campaign.
struct ScaleMoment {
  double seconds = 0;
  uint64_t resident_bytes = 0;
  int64_t trees = 0, nodes = 0, rollouts = 0;  // alive
  int64_t held = 0;                            // requests that pools, batcher and journal hold
  int64_t in_mailboxes = 0;
  uint64_t messages = 0, problems = 0;  // so far
};

struct ScaleFigures {
  double seconds = 0;
  uint64_t messages = 0;  // handled by actors, answers included
  uint64_t solved = 0, rollouts = 0, expansions = 0;
  uint64_t peak_bytes = 0;           // resident, of this process since it began
  uint64_t store_bytes = 0;          // on the disk, when all was over
  ScaleMoment most;                  // each field's largest value
  std::vector<ScaleMoment> moments;  // evenly over the run: of each looks_per_moment looks one
  uint64_t looks = 0, looks_per_moment = 1;
};

// Failed where the campaign did not come to its end.
StatusOr<ScaleFigures> RunScale(const ScaleSetting& setting);

// A problem of the usual length, made of its number.
reasoning::Problem ProblemOf(size_t number);

}  // namespace orrery::bench
