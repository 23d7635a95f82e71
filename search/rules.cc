// SPDX-License-Identifier: Apache-2.0
#include "search/rules.h"

#include <fmt/ranges.h>

namespace orrery::search {

namespace {

Rules PaperRound1() { return Rules{}; }

Rules PaperRound2() {
  Rules rules;
  rules.rollouts = 16;
  rules.extra_rollouts_when_unsolved = 16;
  rules.candidates = 8;
  rules.temperature = 1.0;
  return rules;
}

// The preference model's first round: it values every step before a rollout has gone through it.
Rules PaperRound3() {
  Rules rules = PaperRound2();
  rules.scored = true;
  return rules;
}

// For olympiad problems: 64 more for those that 16 do not solve, then up to 128 more. (Several trees with different
// seeds are several runs.)
Rules PaperRound4() {
  Rules rules = PaperRound3();
  rules.candidates = 16;
  rules.extra_rollouts_when_unsolved = 64;
  rules.further_rollouts_when_unsolved = 128;
  return rules;
}

// Answering questions: the best of eight trajectories by the preference model, which knows no reference.
Rules Test() {
  Rules rules;
  rules.candidates = 32;
  rules.temperature = 1.0;
  rules.scored = true;
  rules.value = Value::kScore;
  return rules;
}

// Round 1 of the published code: later rounds sample at temperature 1 and tolerate one error.
Rules ReleasedSample() {
  Rules rules;
  rules.rollouts = 48;
  rules.candidates = 12;
  rules.unvisited = Unvisited::kZero;
  rules.dead_end = DeadEndBackup::kItself;
  rules.tolerated_errors = 2;
  return rules;
}

struct NamedPreset {
  std::string_view name;
  Rules (*make)();
};

constexpr NamedPreset kPresets[] = {
    {"paper-r1", PaperRound1}, {"paper-r2", PaperRound2},           {"paper-r3", PaperRound3},
    {"paper-r4", PaperRound4}, {"released-sample", ReleasedSample}, {"test", Test},
};

}  // namespace

StatusOr<Rules> Preset(std::string_view name) {
  for (const NamedPreset& preset : kPresets) {
    if (preset.name == name) return preset.make();
  }
  return InvalidInput("unknown search preset '{}'; there are: {}", name, fmt::join(PresetNames(), ", "));
}

std::vector<std::string> PresetNames() {
  std::vector<std::string> names;
  for (const NamedPreset& preset : kPresets) names.emplace_back(preset.name);
  return names;
}

}  // namespace orrery::search
