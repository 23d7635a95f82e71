// SPDX-License-Identifier: Apache-2.0
#pragma once

// One problem's search without its texts: waves of rollouts descend by the rules of search/, wait where a node must be
// expanded, and are backed up in order, as the actors do it (actors/node.h, actors/tree.h).
//
// What an expansion brings is told by the caller, when it likes: the walk knows no time.

#include <cstdint>
#include <functional>
#include <vector>

#include "search/rules.h"
#include "search/select.h"
#include "search/tree.h"
#include "simulation/policy.h"

namespace orrery::simulation {

// A candidate of an expansion: samples of one text.
struct Candidate {
  SampleDraw sample;
  bool valid = false;
};

class TreeWalk {
 public:
  // `expand` is called with the number of a node that must be expanded; Expanded answers it, within the call or later.
  // It outlives the walk.
  TreeWalk(const search::Rules& rules, const Profile& profile, uint64_t key, std::string_view level,
           std::function<void(int node)> expand);

  void Start() { Wave(); }
  void Expanded(int node, const std::vector<Candidate>& candidates);

  // What is sampled at a node, and how many tokens its solution may still have.
  Place PlaceOf(int node) const;
  int Room(int node) const { return rules_.max_total_tokens - nodes_[static_cast<size_t>(node)].tokens; }

  const ProblemDraw& problem() const { return problem_; }
  bool over() const { return over_; }
  bool solved() const { return solved_; }
  uint64_t rollouts() const { return rollouts_; }
  size_t nodes() const { return nodes_.size(); }

 private:
  struct Row {
    search::Child stats;
    SampleDraw sample;
    search::End end = search::End::kNone;
    int child = -1;
  };
  struct Node {
    int parent = -1, row = -1;  // the node's place in its parent
    Place place;
    int tokens = 0;
    uint32_t visits = 0, virtual_visits = 0;
    bool expanding = false, expanded = false, dead = false;
    std::vector<Row> rows;
    std::vector<size_t> waiting;
  };
  struct End {
    int node = 0, row = -1;
    search::End end = search::End::kNone;
    bool right = false;
  };

  Node& At(int node) { return nodes_[static_cast<size_t>(node)]; }
  void Wave();
  void Descend(int node, size_t rollout);
  // The child that a rollout goes on to; −1 where it has ended.
  int Forward(int node, size_t rollout);
  int Child(int node, size_t row);
  void Ended(size_t rollout, End end);
  void BackUp(const End& end);
  bool Exhausted(const Node& node) const;

  const search::Rules& rules_;
  const Profile& profile_;
  const uint64_t key_;
  const ProblemDraw problem_;
  const std::function<void(int)> expand_;
  std::vector<Node> nodes_;
  std::vector<End> wave_;
  int walking_ = 0, started_ = 0, budget_ = 0;
  uint64_t rollouts_ = 0;
  bool solved_ = false, exhausted_ = false, over_ = false;
};

}  // namespace orrery::simulation
