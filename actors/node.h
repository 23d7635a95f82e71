// SPDX-License-Identifier: Apache-2.0
#pragma once

// A visited step of one tree: it holds N, W and its children, sends every rollout that comes by one step further, and
// is expanded once.
//
//              descend                        expanded, has children
//   (new) ──────────────▸ expanding ───────────────────────────────▸ open ──▸ exhausted
//                           │  arrivals wait in order                 each arrival goes to the best child
//                           └── no valid candidate ──▸ dead end: every arrival ends here
//
// A node hears `descend` and `backup` from its parent alone, so their order is fixed, and with it every choice
// (docs/architecture.md).

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "actors/context.h"
#include "actors/solution.h"
#include "search/select.h"

namespace orrery::actors {

struct node_state {
  static inline constexpr const char* name = "node";

  // One candidate of the expansion. Children get an actor when first visited; ends never do.
  struct Row {
    search::Child stats;
    schema::Terminal end = schema::Terminal::None;
    bool right = false;
    std::optional<double> score;  // the preference model's
    node_actor child;
  };

  node_actor::pointer self = nullptr;
  std::shared_ptr<const TreeContext> context;
  tree_actor tree;
  SolutionPtr solution;
  ExpansionChunk expansion;
  std::vector<Row> rows;
  uint32_t visits = 0;
  uint32_t virtual_visits = 0;
  double value_sum = 0;
  bool expanding = false;
  bool dead = false;  // an end itself: nothing valid follows, or too long
  std::vector<std::pair<uint32_t, rollout_actor>> waiting;
  Alive alive;

  void Descend(uint32_t rollout, const rollout_actor& walker);
  // One step further to the node that a beam search expands.
  void Lead(const schema::Descend& descend, const rollout_actor& walker);
  void Expand(const rollout_actor& walker);
  void Expanded(const ExpansionChunk& chunk);
  void Forward(uint32_t rollout, const rollout_actor& walker);
  const node_actor& ChildAt(size_t row);
  void End(uint32_t rollout, schema::Terminal end, bool right, int row);
  caf::result<bool> Backup(const BackupChunk& backup);
  bool Exhausted() const;
  void Quit(const caf::error& reason);
};

node_actor::behavior_type node(node_actor::stateful_pointer<node_state> self,
                               std::shared_ptr<const TreeContext> context, tree_actor tree, SolutionPtr solution);

}  // namespace orrery::actors
