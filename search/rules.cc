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
    {"paper-r1", PaperRound1},
    {"paper-r2", PaperRound2},
    {"released-sample", ReleasedSample},
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
