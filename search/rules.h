// SPDX-License-Identifier: Apache-2.0
#pragma once

// The settings of the search, as plain values, and the presets that published systems used (METHODS A2).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace orrery::search {

// What a child that no rollout has visited scores.
enum class Unvisited : uint8_t {
  kInfinite,  // paper-*: every child is tried once, lowest index first
  kZero,      // released-*
};

// Where the −1 of an error or depth-limit end goes.
enum class DeadEndBackup : uint8_t {
  kPath,    // every node of the path, as any other value
  kItself,  // the end alone (released code)
};

// Which of the children that no rollout has visited has the lowest index.
enum class CandidateOrder : uint8_t {
  kSampled,  // the first that was sampled
  kLikely,   // the one whose tokens have the highest mean log-probability under the policy
};

// Which child a rollout goes to.
enum class Selection : uint8_t {
  kUct,   // Q + c·√(ln N(parent) / N)
  kPuct,  // Q + c·prior·√N(parent) / (1 + N), the prior being the policy's likelihood of the step (METHODS A2,
          // AlphaMath)
};

// What the end of a rollout is worth.
enum class Value : uint8_t {
  kReference,  // +1 where its answer equals the reference, else −1: to make data
  kScore,      // what the preference model gave the whole solution: to answer questions. Without an answer still −1
};

struct Rules {
  int rollouts = 8;    // a tree's budget
  int candidates = 5;  // sampled at an expansion
  int resamples = 0;   // how often as many more are sampled while none is valid
  double temperature = 0.7;
  double top_p = 1;
  int top_k = 0;
  int max_depth = 16;  // steps from the root to an answer
  int max_step_tokens = 2048;
  int max_total_tokens = 4096;  // of a partial solution
  int wave = 1;                 // rollouts that descend before their values are backed up
  double exploration = 2;       // c of UCT and PUCT
  Selection selection = Selection::kUct;
  Value value = Value::kReference;
  int beams = 0;  // partial solutions that a step-level beam search goes on with; 0: a tree search
  // Children begin with one visit, of the value that the preference model gave them (PPM-augmented annotation).
  bool scored = false;
  Unvisited unvisited = Unvisited::kInfinite;
  DeadEndBackup dead_end = DeadEndBackup::kPath;
  CandidateOrder candidate_order = CandidateOrder::kSampled;
  int tolerated_errors = 0;                // failing steps in a row that still count as valid
  int extra_rollouts_when_unsolved = 0;    // added to the budget once, when no answer was right (paper-r2: 16)
  int further_rollouts_when_unsolved = 0;  // and once more after those (paper-r4: 128)
};

// paper-r1 to paper-r4, released-sample, test. InvalidInput lists the names.
StatusOr<Rules> Preset(std::string_view name);
std::vector<std::string> PresetNames();

}  // namespace orrery::search
