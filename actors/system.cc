// SPDX-License-Identifier: Apache-2.0
#include "actors/system.h"

#include <chrono>
#include <utility>

#include "actors/batcher.h"
#include "actors/journal.h"
#include "actors/pool.h"
#include "actors/router.h"
#include "actors/scheduler.h"
#include "actors/workers.h"

namespace orrery::actors {
namespace {

template <class Work, class Worker, class Tool>
typename Work::Actor SpawnPool(caf::actor_system& system, Worker worker, std::vector<std::shared_ptr<Tool>>& tools,
                               Meters* meters, bool block) {
  std::vector<typename Work::Actor> workers;
  workers.reserve(tools.size());
  for (auto& tool : tools) {
    workers.push_back(block ? system.spawn<caf::detached>(worker, std::move(tool), meters)
                            : system.spawn(worker, std::move(tool), meters));
  }
  return system.spawn(pool<Work>, std::move(workers), meters);
}

// One batcher, or a router before several.
batcher_actor SpawnBatchers(caf::actor_system& system, std::shared_ptr<model::Engine> first,
                            const std::vector<std::shared_ptr<model::Engine>>& more, const telemetry_actor& telemetry,
                            Meters* meters) {
  std::vector<uint64_t> pages = {first->Counters().pages_total};
  std::vector<batcher_actor> batchers = {system.spawn<caf::detached>(batcher, std::move(first), telemetry, meters)};
  for (const auto& engine : more) {
    pages.push_back(engine->Counters().pages_total);
    batchers.push_back(system.spawn<caf::detached>(batcher, engine, telemetry, meters));
  }
  if (more.empty()) return batchers.front();
  return system.spawn(router, std::move(batchers), pages, meters);
}

}  // namespace

CampaignOutcome RunCampaign(CampaignParts parts, const Watch& watch) {
  SystemConfig config(parts.threads);
  caf::actor_system system(config);
  Meters* meters = parts.context->meters;

  auto telemetry_handle = system.spawn(telemetry, parts.telemetry, meters, parts.telemetry_file);
  auto& services = parts.context->services;
  const bool one_network = parts.ppm == parts.engine;
  services.batcher = SpawnBatchers(system, std::move(parts.engine), parts.more_engines, telemetry_handle, meters);
  if (one_network)
    services.scorer = services.batcher;
  else if (parts.ppm)
    services.scorer = SpawnBatchers(system, std::move(parts.ppm), parts.more_ppms, telemetry_actor(), meters);
  services.journal = system.spawn<caf::detached>(journal, std::move(parts.store), telemetry_handle, meters);
  services.sandbox = SpawnPool<SandboxWork>(system, sandbox_worker, parts.sandboxes, meters, parts.workers_block);
  services.grader = SpawnPool<GraderWork>(system, grader_worker, parts.graders, meters, parts.workers_block);

  auto over = std::make_shared<std::promise<CampaignOutcome>>();
  auto outcome = over->get_future();
  auto run = system.spawn(campaign, parts.context, parts.problems, parts.live_trees, std::move(over));
  caf::anon_send(run, atom::start_v);
  bool told = false;
  while (outcome.wait_for(std::chrono::milliseconds(200)) != std::future_status::ready) {
    if (watch() && !std::exchange(told, true)) caf::anon_send(run, atom::stop_v);
  }

  // The context outlives its trees by moments, and holds the services: taking them out lets every actor end.
  const Services ending = std::exchange(services, {});
  for (const auto& actor : {caf::actor_cast<caf::actor>(ending.batcher), caf::actor_cast<caf::actor>(ending.journal),
                            caf::actor_cast<caf::actor>(ending.sandbox), caf::actor_cast<caf::actor>(ending.grader)}) {
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  }
  if (ending.scorer) caf::anon_send_exit(ending.scorer, caf::exit_reason::user_shutdown);
  caf::anon_send(telemetry_handle, atom::stop_v);
  return outcome.get();
}

}  // namespace orrery::actors
