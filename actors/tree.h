// SPDX-License-Identifier: Apache-2.0
#pragma once

// One problem's search: it sends waves of rollouts down from the root, backs their values up in rollout order, and
// leaves one record.
//
//   start ─▸ recall ─▸ wave: descend × w ─▸ all ended ─▸ backup × w, one after the other ─▸ budget left? ─▸ wave …
//                                                                         └──▸ record ─▸ journal ─▸ done ─▸ campaign
//
// A beam search sends one to each beam instead, down a given path, and ends when all beams have ended.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/context.h"
#include "store/beam.h"

namespace orrery::actors {

struct tree_state {
  static inline constexpr const char* name = "tree";

  tree_actor::pointer self = nullptr;
  std::shared_ptr<const CampaignContext> campaign;
  std::shared_ptr<const reasoning::Problem> problem;
  campaign_actor owner;
  std::shared_ptr<const TreeContext> context;  // after Start
  node_actor root;
  std::map<store::Path, ExpansionChunk> expansions;
  std::vector<store::RolloutEnd> ends;  // of backed-up rollouts, in order
  std::vector<store::RolloutEnd> wave;  // of the present one
  int walking = 0;                      // rollouts of the wave that have not ended
  int started = 0;                      // rollouts sent down so far …
  int budget = 0;                       // … of as many
  std::optional<store::Beam> beam;      // where the rules ask for beams
  bool solved = false;
  bool exhausted = false;
  bool over = false;
  Alive alive;

  void Start();
  void Wave();
  // The beams' next depth.
  void Level();
  // A rollout of number `rollout` of the wave goes down: where the nodes send it, or `to` a beam's end.
  void Send(int rollout, const store::Path* to);
  void Ended(const schema::Ended& ended);
  void BackUp(size_t next);
  void Finish();
  void Done(bool stopped, const std::string& failure);
};

tree_actor::behavior_type tree(tree_actor::stateful_pointer<tree_state> self,
                               std::shared_ptr<const CampaignContext> campaign,
                               std::shared_ptr<const reasoning::Problem> problem, campaign_actor owner);

}  // namespace orrery::actors
