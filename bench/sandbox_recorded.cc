// SPDX-License-Identifier: Apache-2.0
#include "bench/sandbox_recorded.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "base/paths.h"
#include "runners/common/settings.h"
#include "store/recorded_steps.h"

extern char** environ;

namespace orrery {
namespace {

// What came back is not looked at: the sandbox's own run has checked it.
Status RunProcess(const std::vector<std::string>& line) {
  std::vector<char*> words;
  for (const auto& word : line) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const int file : {0, 1, 2}) posix_spawn_file_actions_addopen(&actions, file, "/dev/null", O_RDWR, 0);
  pid_t child = 0;
  const int error = posix_spawnp(&child, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return Failed("{}: cannot be started", line[0]);
  waitpid(child, nullptr, 0);
  return absl::OkStatus();
}

StatusOr<double> SecondsOfProcesses(const std::vector<const sandbox::StepRequest*>& requests,
                                    const std::vector<std::string>& line, const std::string& head) {
  const auto begin = Clock::now();
  for (const auto* request : requests) {
    std::string program = head;
    for (const auto& parent : request->parents) program += parent.code + "\n";
    auto words = line;
    words.push_back(program + request->step.code);
    ORRERY_RETURN_IF_ERROR(RunProcess(words));
  }
  return SecondsSince(begin) / static_cast<double>(requests.size());
}

StatusOr<std::vector<store::RecordedStep>> ReadSteps(const std::filesystem::path& folder, uint64_t seed) {
  ORRERY_ASSIGN_OR_RETURN(const auto store, store::Store::OpenReadOnly(folder / "store"));
  std::vector<store::RecordedStep> steps;
  Status failure;
  ORRERY_RETURN_IF_ERROR(store->ForEachTree([&](std::string_view, const store::TreeChunk& tree) {
    auto more = store::RecordedSteps(*tree, seed);
    if (!more.ok()) failure = more.status();
    if (more.ok()) std::move(more->begin(), more->end(), std::back_inserter(steps));
    return failure.ok();
  }));
  ORRERY_RETURN_IF_ERROR(failure);
  // A step that timed out costs its deadline either way.
  std::erase_if(steps, [](const auto& step) { return step.checks || step.verdict == schema::Verdict::TimeOut; });
  if (steps.empty()) return InvalidInput("{}: no recorded step", folder.string());
  return steps;
}

}  // namespace

StatusOr<RecordedFigures> MeasureRecorded(const std::filesystem::path& folder, uint64_t sample) {
  ORRERY_ASSIGN_OR_RETURN(const auto text, ReadFile(folder / "config.json"));
  ORRERY_ASSIGN_OR_RETURN(const auto config, schema::ParseConfig(text, (folder / "config.json").string()));
  ORRERY_ASSIGN_OR_RETURN(const auto steps, ReadSteps(folder, config->run()->seed()));
  ORRERY_ASSIGN_OR_RETURN(const auto sandbox, sandbox::Sandbox::Start(runners::SandboxOptionsOf(*config->sandbox())));
  RecordedFigures figures;
  figures.steps = steps.size();
  const auto begin = Clock::now();
  for (const auto& step : steps) {
    const auto result = sandbox->Run(step.request);
    if (result.output != step.output) return Failed("a step printed other bytes than it did in the campaign");
  }
  figures.seconds_per_step = SecondsSince(begin) / static_cast<double>(steps.size());

  std::vector<const sandbox::StepRequest*> spread;
  const size_t stride = std::max<size_t>(1, steps.size() / std::max<uint64_t>(1, sample));
  for (size_t i = 0; i < steps.size(); i += stride) spread.push_back(&steps[i].request);
  figures.sampled = spread.size();
  const std::string python = (PythonEnvironment() / "bin/python3").string();
  const std::vector<std::string> bare = {python, "-I", "-c"};
  std::vector<std::string> walled = {
      "bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--"};
  walled.insert(walled.end(), bare.begin(), bare.end());
  ORRERY_ASSIGN_OR_RETURN(figures.process_seconds, SecondsOfProcesses(spread, bare, ""));
  ORRERY_ASSIGN_OR_RETURN(figures.walled_seconds, SecondsOfProcesses(spread, walled, ""));
  // A warm sandbox has them loaded; a process that imports none of them is a step that may use none.
  ORRERY_ASSIGN_OR_RETURN(figures.packages_seconds, SecondsOfProcesses(spread, walled, "import sympy, numpy\n"));
  return figures;
}

}  // namespace orrery
