// SPDX-License-Identifier: Apache-2.0
#pragma once

// The simulated policy: what a problem is like and what each sample at a node turns out to be, drawn from a profile.
//
// Every draw is a function of the profile and of what it is for (tree, node, sample), so the same seed gives the same
// campaign, whatever the order of events.

#include <cstdint>
#include <string_view>

#include "simulation/profile.h"

namespace orrery::simulation {

struct ProblemDraw {
  double success = 0;            // the chance that a complete program is right
  const Shape* shape = nullptr;  // of the profile
};

// `key` is the tree's (reasoning/seeds.h); of a level that the profile does not know, or none, the problem is one of
// all.
ProblemDraw DrawProblem(const Profile& profile, uint64_t key, std::string_view level);

// The node whose continuations are sampled.
struct Place {
  uint64_t key = 0;   // of the tree
  uint64_t node = 0;  // tells the tree's nodes apart
  int depth = 0;
  bool after_output = false;
  bool right = false;  // its program printed the right answer; only after the output
};

struct SampleDraw {
  Kind kind = Kind::kLost;
  uint64_t text = 0;  // samples of a node with the same kind and text read the same
  int tokens = 1;
  bool right = false;  // of a final step: its program prints the right answer; of an answer: it equals the reference
};

// `stream` tells the samples of a node apart.
SampleDraw DrawSample(const Profile& profile, const ProblemDraw& problem, const Place& place, uint64_t stream);

// Mixes two numbers into one that tells pairs apart.
uint64_t Mixed(uint64_t a, uint64_t b);

}  // namespace orrery::simulation
