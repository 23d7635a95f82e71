// SPDX-License-Identifier: Apache-2.0
#include "bench/scale_memory.h"

#include <malloc.h>

#include <vector>

#include "actors/node.h"
#include "actors/rollout.h"
#include "actors/scheduler.h"
#include "actors/tree.h"

namespace orrery::bench {
namespace {

double HeapBytes() {
  const auto info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

// Bytes for each of `count` actors that `spawn` makes.
template <class Spawn>
double BytesOf(size_t count, Spawn spawn) {
  std::vector<decltype(spawn())> actors;
  actors.reserve(count);
  const double before = HeapBytes();
  for (size_t i = 0; i < count; ++i) actors.push_back(spawn());
  return (HeapBytes() - before) / static_cast<double>(count);
}

}  // namespace

ActorBytes MeasureActors(size_t of_each) {
  actors::Meters meters;
  const auto campaign = std::make_shared<actors::CampaignContext>();
  campaign->meters = &meters;
  const auto problem = std::make_shared<const reasoning::Problem>();
  const auto context = std::make_shared<actors::TreeContext>();
  context->campaign = campaign;
  context->problem = problem;
  actors::SystemConfig config(1);
  caf::actor_system system(config);
  ActorBytes bytes;
  bytes.tree =
      BytesOf(of_each, [&] { return system.spawn(actors::tree, campaign, problem, actors::campaign_actor()); });
  bytes.node = BytesOf(
      of_each, [&] { return system.spawn(actors::node, context, actors::tree_actor(), actors::SolutionPtr()); });
  bytes.rollout = BytesOf(of_each, [&] { return system.spawn(actors::rollout, context); });
  return bytes;
}

}  // namespace orrery::bench
