// SPDX-License-Identifier: Apache-2.0
// Runs Python by steps as a search would, tells what guards it, and attacks it.

#include "sandbox/sandbox.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/paths.h"
#include "runners/sandbox_repl.h"
#include "sandbox/attacks.h"

namespace orrery {
namespace {

using sandbox::Sandbox;
using sandbox::SandboxOptions;
using sandbox::Verdict;

int Fail(const Status& status) {
  std::fprintf(stderr, "sandbox: %s\n", Message(status).c_str());
  return ExitCode(status);
}

void PrintStep(size_t number, const sandbox::StepResult& step) {
  fmt::print("step {}: {}{}{} ({:.1f} ms, processor {:.1f} ms, peak {} MiB)\n", number, Name(step.verdict),
             step.error.empty() ? "" : ": ", step.error, step.wall_seconds * 1e3, step.cpu_seconds * 1e3,
             step.peak_bytes >> 20);
  if (step.output.empty()) return;
  fmt::print("{}{}", step.output, step.output.back() == '\n' ? "" : "\n");
}

int Doctor(const SandboxOptions& options, bool json) {
  auto sandbox = Sandbox::Start(options);
  if (!sandbox.ok()) return Fail(sandbox.status());
  const auto results = sandbox::RunProgram(**sandbox, {"x = 6", "print(x * 7)"}, 1);
  const bool works = results.back().verdict == Verdict::kOk && results.back().output == "42\n";
  if (json) {
    auto guards = nlohmann::ordered_json::object();
    for (const auto& guard : (*sandbox)->Guards())
      guards[guard.name] = {{"active", guard.active}, {"detail", guard.detail}};
    fmt::print("{}\n", nlohmann::ordered_json{{"works", works}, {"isolation", guards}}.dump(2));
    return works ? 0 : 1;
  }
  for (const auto& guard : (*sandbox)->Guards())
    fmt::print("{:<3} {:<22} {}\n", guard.active ? "yes" : "no", guard.name, guard.detail);
  PrintStep(2, results.back());
  return works ? 0 : 1;
}

int ReplOnTerminal(const SandboxOptions& options, uint64_t seed) {
  auto sandbox = Sandbox::Start(options);
  if (!sandbox.ok()) return Fail(sandbox.status());
  const bool prompts = isatty(STDIN_FILENO) == 1;
  if (prompts) fmt::print("an empty line or <end_of_step> runs a step; :back, :list, :quit\n");
  runners::Repl(**sandbox, std::cin, seed, prompts, PrintStep);
  return 0;
}

int RunFile(const SandboxOptions& options, const std::string& file, uint64_t seed) {
  auto program = ReadFile(CallerPath(file));
  if (!program.ok()) return Fail(program.status());
  auto sandbox = Sandbox::Start(options);
  if (!sandbox.ok()) return Fail(sandbox.status());
  const auto results = sandbox::RunProgram(**sandbox, sandbox::SplitSteps(*program), seed);
  for (size_t i = 0; i < results.size(); ++i) PrintStep(i + 1, results[i]);
  return results.back().verdict == Verdict::kOk ? 0 : 1;
}

int AttackAll(SandboxOptions options, const std::string& folder, const std::string& only, bool json) {
  const auto place = folder.empty() ? DataFile("sandbox/attacks") : StatusOr<std::filesystem::path>(CallerPath(folder));
  if (!place.ok()) return Fail(place.status());
  const auto attacks = sandbox::LoadAttacks(*place);
  if (!attacks.ok()) return Fail(attacks.status());
  auto sandbox = Sandbox::Start(options);
  if (!sandbox.ok()) return Fail(sandbox.status());
  size_t count = 0;
  size_t wrong = 0;
  size_t escapes = 0;
  for (const auto& attack : *attacks) {
    if (!only.empty() && attack.name != only) continue;
    const auto result = RunAttack(**sandbox, attack);
    const bool right = result.verdict == attack.expected;
    ++count;
    wrong += right ? 0 : 1;
    escapes += result.escaped ? 1 : 0;
    if (json) {
      fmt::print("{}\n", nlohmann::json{{"name", attack.name},
                                        {"expected", Name(attack.expected)},
                                        {"verdict", Name(result.verdict)},
                                        {"escaped", result.escaped},
                                        {"seconds", result.seconds}}
                             .dump());
    } else {
      fmt::print("{:<32} {:<14} {:<14} {:>7.3f} s  {}{}\n", attack.name, Name(attack.expected), Name(result.verdict),
                 result.seconds,
                 result.escaped ? "ESCAPED"
                 : right        ? ""
                                : "WRONG: ",
                 right ? "" : result.error);
    }
    std::fflush(stdout);
  }
  std::fprintf(stderr, "%zu programs, %zu wrong verdicts, %zu escapes\n", count, wrong, escapes);
  return count > 0 && wrong == 0 && escapes == 0 ? 0 : 1;
}

int Main(int argc, char** argv) {
  CLI::App app("Runs Python by steps where it can do no harm.", "sandbox");
  app.require_subcommand(1);
  SandboxOptions options;
  bool no_walls = false;
  uint64_t seed = 0;
  std::string file, folder, only;
  bool json = false;
  app.add_flag("--no-walls", no_walls, "no namespaces: limits and deadlines only (sandbox.isolation=none)");
  app.add_option("--wall-seconds", options.wall_seconds, "a step's deadline");
  app.add_option("--packages", options.packages, "what a step may import (sandbox.packages)");
  app.add_option("--control-group", options.control_group, "a group that may be divided (sandbox.control_group)");
  auto* doctor = app.add_subcommand("doctor", "start a sandbox and tell what guards it");
  doctor->add_flag("--json", json, "as one object");
  auto* repl = app.add_subcommand("repl", "steps typed by hand, each on what the steps before it left");
  repl->add_option("--seed", seed, "step i draws from seed + i");
  auto* run = app.add_subcommand("run", "run a program by steps: verdict and output of each");
  run->add_option("FILE", file, "Python; lines that read <end_of_step> end a step")->required();
  run->add_option("--seed", seed, "step i draws from seed + i");
  auto* attack = app.add_subcommand("attack", "run the hostile collection; exits 1 on an escape or a wrong verdict");
  attack->add_flag("--json", json, "one object a program");
  attack->add_option("--folder", folder, "another collection");
  attack->add_option("--only", only, "the program of this name");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  options.isolation = no_walls ? sandbox::Isolation::kNone : sandbox::Isolation::kBubblewrap;
  if (doctor->parsed()) return Doctor(options, json);
  if (repl->parsed()) return ReplOnTerminal(options, seed);
  if (run->parsed()) return RunFile(options, file, seed);
  auto hostile = sandbox::AttackOptions();
  hostile.isolation = options.isolation;
  hostile.control_group = options.control_group;
  return AttackAll(hostile, folder, only, json);
}

}  // namespace
}  // namespace orrery

int main(int argc, char** argv) { return orrery::Main(argc, argv); }
