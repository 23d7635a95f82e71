// SPDX-License-Identifier: Apache-2.0
#pragma once

// One campaign from beginning to end as a plain function: it makes the actor system, spawns the actors, waits, and
// takes all down again.

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "actors/campaign.h"
#include "actors/telemetry.h"
#include "model/engine.h"
#include "reasoning/grader.h"
#include "sandbox/sandbox.h"
#include "store/store.h"

namespace orrery::actors {

struct CampaignParts {
  std::shared_ptr<CampaignContext> context;  // all but its services
  ProblemSource problems;
  std::shared_ptr<model::Engine> engine;
  std::shared_ptr<model::Engine> ppm;  // null: no preference model
  // Further engines of the same two models on devices of the same kind: each engine has a batcher of its own.
  std::vector<std::shared_ptr<model::Engine>> more_engines = {}, more_ppms = {};
  std::vector<std::shared_ptr<sandbox::Sandbox>> sandboxes;
  std::vector<std::shared_ptr<reasoning::Grader>> graders;
  std::shared_ptr<store::Store> store;
  std::shared_ptr<Telemetry> telemetry;
  std::filesystem::path telemetry_file;
  size_t live_trees = 1;
  int threads = 1;  // of the actors
  // Sandboxes and graders wait for processes, so each has a thread of its own. Those that never wait (simulation/)
  // share the actors' threads.
  bool workers_block = true;
};

// Called a few times a second while the campaign runs; returns true to stop it in good order.
using Watch = std::function<bool()>;

CampaignOutcome RunCampaign(CampaignParts parts, const Watch& watch);

}  // namespace orrery::actors
