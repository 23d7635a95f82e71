// SPDX-License-Identifier: Apache-2.0
#include "simulation/policy.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace orrery::simulation {
namespace {

// What a uniform number of a stream decides.
enum Draw : uint32_t { kFollowsValidity, kOwnValidity, kFollowsKind, kOwnKind, kFollowsText, kLength, kRight };

double Uniform(const RandomStream& stream, Draw draw) { return stream.Uniform(Purpose::kSimulate, draw); }

// Of the kinds that are valid, or of the others.
Kind KindAt(const Moves& moves, bool valid, double uniform) {
  double sum = 0;
  size_t last = 0;
  for (size_t i = 0; i < kKinds; ++i) {
    if (IsValid(static_cast<Kind>(i)) == valid && moves.share[i] > 0) sum += moves.share[i], last = i;
  }
  uniform *= sum;
  for (size_t i = 0; i < last; ++i) {
    if (IsValid(static_cast<Kind>(i)) != valid) continue;
    uniform -= moves.share[i];
    if (uniform < 0) return static_cast<Kind>(i);
  }
  return static_cast<Kind>(last);
}

double ValidShare(const Moves& moves) {
  double sum = 0;
  for (size_t i = 0; i < kKinds; ++i) sum += IsValid(static_cast<Kind>(i)) ? moves.share[i] : 0;
  return sum;
}

// The rank of a value in a distribution, in [0, 1].
double RankIn(const Quantiles& quantiles, double value) {
  const auto above = std::ranges::upper_bound(quantiles.at, value);
  return static_cast<double>(above - quantiles.at.begin()) / static_cast<double>(quantiles.at.size() + 1);
}

}  // namespace

uint64_t Mixed(uint64_t a, uint64_t b) {
  uint64_t mixed = a + 0x9E3779B97F4A7C15 * (b + 1);
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
  return mixed ^ (mixed >> 31);
}

ProblemDraw DrawProblem(const Profile& profile, uint64_t key, std::string_view level) {
  const RandomStream stream{key, 0};
  double rank = Uniform(stream, kRight);
  ProblemDraw problem;
  const auto known = profile.success_by_level.find(std::string(level));
  if (known == profile.success_by_level.end()) {
    problem.success = profile.success.Draw(rank);
  } else {
    problem.success = known->second.Draw(rank);
    rank = RankIn(profile.success, problem.success);
  }
  const auto count = static_cast<double>(profile.shapes.size());
  const auto shape = std::min(static_cast<size_t>(rank * count), profile.shapes.size() - 1);
  problem.shape = &profile.shapes[shape];
  return problem;
}

SampleDraw DrawSample(const Profile& profile, const ProblemDraw& problem, const Place& place, uint64_t stream) {
  const Shape& shape = *problem.shape;
  const size_t depth = std::min(static_cast<size_t>(place.depth), shape.by_depth.size() - 1);
  const Moves& moves = place.after_output ? shape.after_output : shape.by_depth[depth];
  const RandomStream node{place.key, Mixed(place.node, 1)};
  const RandomStream own{place.key, Mixed(place.node, Mixed(stream, 2))};

  SampleDraw sample;
  const RandomStream& decides_validity = Uniform(own, kFollowsValidity) < moves.common_validity ? node : own;
  const bool valid = Uniform(decides_validity, kOwnValidity) < ValidShare(moves);
  const RandomStream& decides_kind = valid && Uniform(own, kFollowsKind) < moves.common_kind ? node : own;
  sample.kind = KindAt(moves, valid, Uniform(decides_kind, kOwnKind));
  const bool same_text = Uniform(own, kFollowsText) < moves.common_text;
  sample.text = Mixed(place.node, same_text ? static_cast<uint64_t>(sample.kind) : Mixed(stream, 3));

  const RandomStream text{place.key, Mixed(sample.text, 4)};
  const auto& lengths = place.after_output ? shape.answer_tokens : shape.tokens;
  const double length = lengths[static_cast<size_t>(sample.kind)].Draw(Uniform(text, kLength));
  sample.tokens = std::max(1, static_cast<int>(std::lround(length)));
  if (sample.kind == Kind::kFinal) sample.right = Uniform(text, kRight) < problem.success;
  if (sample.kind == Kind::kAnswer)
    sample.right = Uniform(text, kRight) < (place.right ? profile.faithful : profile.lucky);
  return sample;
}

}  // namespace orrery::simulation
