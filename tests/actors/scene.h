// SPDX-License-Identifier: Apache-2.0
#pragma once

// A whole campaign for tests: a scripted engine with the real store, sandbox and grader.

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/system.h"

namespace orrery {

struct Scene {
  std::filesystem::path folder;
  search::Rules rules;
  int problems = 12;
  int threads = 2;
  uint64_t timing = 1;
  uint64_t fail_after = 0;
  size_t live_trees = 8;
  bool ppm = false;
  reasoning::StepForm steps = reasoning::StepForm::kCode;
  actors::Watch watch = [] { return false; };
  std::shared_ptr<const std::vector<reasoning::Problem>> given = nullptr;  // in place of `problems` made ones
  std::shared_ptr<sandbox::Sandbox> sandbox = nullptr;                     // in place of TheSandbox()
  std::filesystem::path verdicts_from = {};                                // folder of another scene
};

// One sandbox for the whole test program: it holds nothing of a campaign.
std::shared_ptr<sandbox::Sandbox> TheSandbox();
// Questions whose answers are 0, 1 and 2 in turn.
std::shared_ptr<const std::vector<reasoning::Problem>> Problems(int count);
search::Rules SmallRules();
// A record is the search that its own expansions tell.
void ExpectProven(std::string_view key, const store::TreeChunk& record, const search::Rules& rules);
actors::Meters& MetersOf(const Scene& scene);
actors::CampaignOutcome Play(const Scene& scene);
// Over all records that a campaign left.
std::string Digest(const std::filesystem::path& folder);

}  // namespace orrery
