// SPDX-License-Identifier: Apache-2.0
#pragma once

// The hostile collection (sandbox/attacks): programs that try to get out, to lie or to stay, each with the verdict it
// must get.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "sandbox/sandbox.h"

namespace orrery::sandbox {

// The steps of a program: its text between lines that read <end_of_step>.
std::vector<std::string> SplitSteps(std::string_view program);

// Runs a program step by step, as a search would, up to the first that does not end ok; step i is seeded with `seed` +
// i.
std::vector<StepResult> RunProgram(Sandbox& sandbox, const std::vector<std::string>& steps, uint64_t seed);

struct Attack {
  std::string name;
  std::string what;
  Verdict expected = Verdict::kOk;  // of the last step that runs
  std::vector<std::string> steps;
};

// Every *.py of the folder, by name. A file's comments say "# expected: VERDICT", and before it what the program tries.
StatusOr<std::vector<Attack>> LoadAttacks(const std::filesystem::path& folder);

struct AttackResult {
  Verdict verdict = Verdict::kInternal;
  std::string output;
  std::string error;
  bool escaped =
      false;  // it printed ESCAPED, an honest program after it came out otherwise, or a process of it was left
  double seconds = 0;
};

// What a sandbox for attacks looks like: short deadlines, and no snapshots, so that after a step none of its processes
// may be left.
SandboxOptions AttackOptions();

AttackResult RunAttack(Sandbox& sandbox, const Attack& attack);

}  // namespace orrery::sandbox
