// SPDX-License-Identifier: Apache-2.0

// Draws have the shares, the lengths and the resemblances that the profile says, and say the same again.

#include "simulation/policy.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/simulation/made_profile.h"

namespace orrery::simulation {
namespace {

constexpr int kNodes = 4000;
constexpr int kSamples = 5;

TEST(Policy, SamplesHaveTheSharesOfTheirPlace) {
  const Profile profile = MadeProfile();
  for (const bool after_output : {false, true}) {
    std::array<double, kKinds> found{};
    double tokens = 0, agreeing = 0, nodes = 0, both_valid = 0;
    for (uint64_t node = 0; node < kNodes; ++node) {
      const ProblemDraw problem = DrawProblem(profile, node, "");
      const Place place{.key = node, .node = node * 7, .depth = 1, .after_output = after_output};
      std::vector<SampleDraw> samples;
      for (uint64_t i = 0; i < kSamples; ++i) samples.push_back(DrawSample(profile, problem, place, i));
      for (const SampleDraw& sample : samples) ++found[static_cast<size_t>(sample.kind)], tokens += sample.tokens;
      for (int i = 0; i < kSamples; ++i) {
        for (int j = 0; j < i; ++j) {
          both_valid += IsValid(samples[i].kind) == IsValid(samples[j].kind);
          if (!IsValid(samples[i].kind) || !IsValid(samples[j].kind)) continue;
          agreeing += samples[i].kind == samples[j].kind;
          ++nodes;
        }
      }
    }
    const Moves& moves = after_output ? profile.shapes[0].after_output : profile.shapes[0].by_depth[1];
    double valid = 0, squares = 0;
    for (size_t kind = 0; kind < kKinds; ++kind) {
      EXPECT_NEAR(found[kind] / kNodes / kSamples, moves.share[kind], 0.02) << Name(static_cast<Kind>(kind));
      if (IsValid(static_cast<Kind>(kind)))
        valid += moves.share[kind], squares += moves.share[kind] * moves.share[kind];
    }
    EXPECT_NEAR(tokens / kNodes / kSamples, after_output ? 15 : 30, 0.5);
    const auto agreement = [](double common, double by_chance) {
      return common * common + (1 - common * common) * by_chance;
    };
    EXPECT_NEAR(both_valid / kNodes / 10, agreement(moves.common_validity, valid * valid + (1 - valid) * (1 - valid)),
                0.02);
    EXPECT_NEAR(agreeing / nodes, agreement(moves.common_kind, squares / valid / valid), 0.02);
  }
}

TEST(Policy, ProgramsAreRightAsOftenAsTheirProblemIsEasy) {
  const Profile profile = MadeProfile();
  for (uint64_t key = 1; key <= 5; ++key) {
    const ProblemDraw problem = DrawProblem(profile, key, "");
    double finals = 0, right = 0, answers = 0, faithful = 0;
    for (uint64_t node = 0; node < 3000; ++node) {
      const SampleDraw code = DrawSample(profile, problem, {.key = key, .node = node, .depth = 2}, 0);
      if (code.kind == Kind::kFinal) ++finals, right += code.right;
      const Place after{.key = key, .node = node, .depth = 3, .after_output = true, .right = true};
      const SampleDraw answer = DrawSample(profile, problem, after, 0);
      if (answer.kind == Kind::kAnswer) ++answers, faithful += answer.right;
    }
    EXPECT_NEAR(right / finals, problem.success, 0.03);
    EXPECT_NEAR(faithful / answers, 0.95, 0.02);
  }
}

TEST(Policy, TheSameTextIsTheSameSample) {
  const Profile profile = MadeProfile();
  const ProblemDraw problem = DrawProblem(profile, 3, "");
  size_t distinct = 0;
  for (uint64_t node = 0; node < kNodes; ++node) {
    std::map<std::pair<Kind, uint64_t>, SampleDraw> by_text;
    for (uint64_t i = 0; i < kSamples; ++i) {
      const SampleDraw sample = DrawSample(profile, problem, {.key = 3, .node = node}, i);
      const auto [known, fresh] = by_text.try_emplace({sample.kind, sample.text}, sample);
      EXPECT_EQ(known->second.tokens, sample.tokens);
      EXPECT_EQ(known->second.right, sample.right);
    }
    distinct += by_text.size();
  }
  EXPECT_LT(distinct, kNodes * kSamples * 0.9);
  EXPECT_GT(distinct, kNodes * kSamples * 0.6);
}

TEST(Policy, ALevelHasItsOwnDistribution) {
  Profile profile = MadeProfile();
  profile.success_by_level["hard"] = Evenly(0, 0.02);
  profile.shapes[0].after_output.common_kind = 0.123;  // tells the class of the hardest
  double sum = 0, all = 0;
  for (uint64_t key = 0; key < 2000; ++key) {
    const ProblemDraw hard = DrawProblem(profile, key, "hard");
    sum += hard.success;
    all += DrawProblem(profile, key, "unknown").success;
    EXPECT_EQ(hard.shape->after_output.common_kind, 0.123);
  }
  EXPECT_NEAR(sum / 2000, 0.01, 0.001);
  EXPECT_NEAR(all / 2000, 0.4, 0.02);
}

}  // namespace
}  // namespace orrery::simulation
