// SPDX-License-Identifier: Apache-2.0
#include "sandbox/attacks.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "base/clock.h"
#include "base/paths.h"

namespace orrery::sandbox {
namespace {

constexpr std::string_view kStepMark = "<end_of_step>";
constexpr std::string_view kExpected = "# expected: ";
constexpr char kHonest[] = "import sympy\nprint(sum(range(10)), sympy.factorint(84), len([print, compile, exec]))";
constexpr char kHonestOutput[] = "45 {2: 2, 3: 1, 7: 1} 3\n";

StatusOr<Verdict> ParseVerdict(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(Verdict::kInternal); ++i) {
    if (Name(static_cast<Verdict>(i)) == name) return static_cast<Verdict>(i);
  }
  return InvalidInput("'{}' is no verdict", name);
}

StatusOr<Attack> ParseAttack(const std::filesystem::path& path) {
  ORRERY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  Attack attack;
  attack.name = path.stem().string();
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line) && line.rfind("#", 0) == 0;) {
    if (line.rfind(kExpected, 0) == 0) {
      auto verdict = ParseVerdict(std::string_view(line).substr(kExpected.size()));
      if (!verdict.ok()) return Annotate(verdict.status(), path.string());
      attack.expected = *verdict;
      attack.steps = SplitSteps(text);
      return attack;
    }
    attack.what = line.substr(std::min<size_t>(2, line.size()));
  }
  return InvalidInput("{}: no line of its heading says '{}VERDICT'", path.string(), kExpected);
}

// Processes that descend from this one; those that ended but were not yet waited for count too.
size_t Descendants() {
  std::map<pid_t, pid_t> parents;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "stat");
    std::string stat;
    std::getline(file, stat);
    const size_t end = stat.rfind(')');  // the program's name may hold anything
    if (end == std::string::npos) continue;
    std::istringstream rest(stat.substr(end + 1));
    char state = 0;
    pid_t parent = 0;
    if (rest >> state >> parent) parents[std::stoi(name)] = parent;
  }
  const auto descends = [&](pid_t pid) {
    for (int depth = 0; depth < 64 && pid > 1; ++depth) {
      const auto found = parents.find(pid);
      if (found == parents.end()) return false;
      pid = found->second;
      if (pid == getpid()) return true;
    }
    return false;
  };
  return static_cast<size_t>(
      std::count_if(parents.begin(), parents.end(), [&](const auto& item) { return descends(item.first); }));
}

// True where the number of processes comes back to `before` within a second.
bool Settles(size_t before) {
  for (int i = 0; i < 100; ++i) {
    if (Descendants() <= before) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace

std::vector<std::string> SplitSteps(std::string_view program) {
  std::vector<std::string> steps(1);
  std::istringstream lines{std::string(program)};
  for (std::string line; std::getline(lines, line);) {
    if (line == kStepMark) {
      steps.emplace_back();
    } else {
      steps.back() += line + "\n";
    }
  }
  return steps;
}

std::vector<StepResult> RunProgram(Sandbox& sandbox, const std::vector<std::string>& steps, uint64_t seed) {
  std::vector<StepResult> results;
  StepRequest request;
  for (const auto& code : steps) {
    request.step = {code, seed + request.parents.size()};
    results.push_back(sandbox.Run(request));
    if (results.back().verdict != Verdict::kOk) break;
    request.parents.push_back(request.step);
  }
  return results;
}

StatusOr<std::vector<Attack>> LoadAttacks(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".py") paths.push_back(entry.path());
  }
  if (error) return NotFound("{}: {}", folder.string(), error.message());
  std::sort(paths.begin(), paths.end());
  std::vector<Attack> attacks;
  for (const auto& path : paths) {
    ORRERY_ASSIGN_OR_RETURN(attacks.emplace_back(), ParseAttack(path));
  }
  return attacks;
}

SandboxOptions AttackOptions() {
  SandboxOptions options;
  options.wall_seconds = 4;
  options.memory_bytes = uint64_t{256} << 20;
  options.snapshot_count = 0;
  return options;
}

AttackResult RunAttack(Sandbox& sandbox, const Attack& attack) {
  const StepRequest honest{{}, {kHonest, 1}};
  sandbox.Run(honest);  // so that a sandbox which the attack before it broke stands again before we count
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const size_t before = Descendants();
  const auto start = Clock::now();
  const auto steps = RunProgram(sandbox, attack.steps, 7);
  AttackResult result;
  result.seconds = SecondsSince(start);
  result.verdict = steps.back().verdict;
  result.error = steps.back().error;
  for (const auto& step : steps) result.output += step.output;
  const StepResult after = sandbox.Run(honest);
  result.escaped = result.output.find("ESCAPED") != std::string::npos || after.verdict != Verdict::kOk ||
                   after.output != kHonestOutput || !Settles(before);
  return result;
}

}  // namespace orrery::sandbox
