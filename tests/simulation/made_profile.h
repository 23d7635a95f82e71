// SPDX-License-Identifier: Apache-2.0
#pragma once

// A profile with round numbers, for tests that know what must come of it.

#include "simulation/profile.h"

namespace orrery {

inline simulation::Moves MovesOf(double lost, double failed, double step, double final_step, double answer) {
  simulation::Moves moves;
  moves.share = {lost, failed, step, final_step, answer};
  return moves;
}

inline simulation::Quantiles Evenly(double from, double to) {
  simulation::Quantiles quantiles;
  for (int i = 0; i <= 10; ++i) quantiles.at.push_back(from + (to - from) * i / 10);
  return quantiles;
}

// Three classes of difficulty that write alike: a program has two or more steps, a fifth of the samples fails.
inline simulation::Profile MadeProfile() {
  simulation::Profile profile;
  profile.recorded = {.problems = 10, .seconds = 100, .model = "made", .cpu = "none"};
  profile.rules.rollouts = 8;
  profile.rules.candidates = 5;
  profile.rules.max_depth = 8;
  profile.success = Evenly(0, 0.8);
  simulation::Shape shape;
  shape.by_depth = {MovesOf(0.1, 0.1, 0.8, 0, 0), MovesOf(0.1, 0.1, 0.3, 0.5, 0), MovesOf(0.1, 0.1, 0.1, 0.7, 0)};
  shape.after_output = MovesOf(0.1, 0, 0, 0, 0.9);
  for (auto& tokens : shape.tokens) tokens = Evenly(10, 50);
  for (auto& tokens : shape.answer_tokens) tokens = Evenly(10, 20);
  for (auto& moves : shape.by_depth) moves.common_validity = 0.3, moves.common_kind = 0.5, moves.common_text = 0.4;
  shape.after_output.common_validity = 0.2;
  shape.after_output.common_text = 0.6;
  profile.shapes = {shape, shape, shape};
  profile.faithful = 0.95;
  profile.lucky = 0.05;
  profile.output_tokens = 10;
  profile.bytes_per_token = 4;
  profile.device = {.seconds_per_batch = 0.05, .seconds_per_row = 0.002, .max_rows = 256, .prompt_rows = 30};
  profile.sandbox = {.mean = 0.02, .deviation = 0.01, .workers = 2};
  profile.grader = {.mean = 0.001, .deviation = 0, .workers = 1};
  profile.journal = {.mean = 0.002, .deviation = 0, .workers = 1};
  return profile;
}

}  // namespace orrery
