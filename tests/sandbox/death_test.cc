// SPDX-License-Identifier: Apache-2.0
// Whoever of the sandbox's own processes is killed: the verdict is internal, nothing is left behind, and the next step
// runs.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "sandbox/sandbox.h"

namespace orrery::sandbox {
namespace {

using std::chrono::milliseconds;

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  std::string name;
};

// Those that run or could; what has ended and waits for its parent is not among them.
std::vector<Process> Processes() {
  std::vector<Process> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string number = entry.path().filename().string();
    if (number.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "stat");
    std::string stat;
    std::getline(file, stat);
    const size_t open = stat.find('('), close = stat.rfind(')');
    if (close == std::string::npos) continue;
    std::istringstream rest(stat.substr(close + 1));
    char state = 0;
    Process process{std::stoi(number), 0, stat.substr(open + 1, close - open - 1)};
    if (rest >> state >> process.parent && state != 'Z') found.push_back(process);
  }
  return found;
}

// This process's descendants of a name ("" for any), nearest first.
std::vector<pid_t> Descendants(const std::string& name) {
  const auto all = Processes();
  std::vector<pid_t> family = {getpid()};
  std::vector<pid_t> named;
  for (size_t i = 0; i < family.size(); ++i) {
    for (const auto& process : all) {
      if (process.parent != family[i]) continue;
      family.push_back(process.pid);
      if (name.empty() || process.name == name) named.push_back(process.pid);
    }
  }
  return named;
}

// True where soon every process is gone, and whoever ended and came to us has been waited for. The machine may be busy:
// soon is three seconds.
bool NobodyLeft() {
  for (int i = 0; i < 300; ++i) {
    while (waitpid(-1, nullptr, WNOHANG) > 0) {}
    if (Descendants("").empty() && waitpid(-1, nullptr, WNOHANG) < 0) return true;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

class DeathTest : public ::testing::TestWithParam<Isolation> {
 protected:
  void SetUp() override {
    // What is orphaned comes to us, so that it can be seen.
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    SandboxOptions options;
    options.isolation = GetParam();
    options.wall_seconds = 30;
    auto started = Sandbox::Start(options);
    ASSERT_TRUE(started.ok()) << started.status();
    sandbox_ = std::move(*started);
  }

  void TearDown() override {
    sandbox_.reset();
    EXPECT_TRUE(NobodyLeft());
  }

  StepResult Run(const char* code) { return sandbox_->Run({{}, {code, 1}}); }

  // Kills the `index`th process of that name, half a second into an endless step.
  StepResult KillDuringStep(const std::string& name, size_t index) {
    std::thread killer([&] {
      std::this_thread::sleep_for(milliseconds(500));
      const auto found = Descendants(name);
      if (index < found.size()) kill(found[index], SIGKILL);
    });
    const auto result = Run("while True: pass");
    killer.join();
    return result;
  }

  void ExpectInternalThenRecovery(const StepResult& result) {
    EXPECT_EQ(result.verdict, Verdict::kInternal) << Name(result.verdict);
    EXPECT_NE(result.error, "");
    const auto next = Run("print(1)");
    EXPECT_EQ(next.verdict, Verdict::kOk) << next.error;
    EXPECT_EQ(next.output, "1\n");
  }

  std::unique_ptr<Sandbox> sandbox_;
};

TEST_P(DeathTest, OfTheSupervisor) { ExpectInternalThenRecovery(KillDuringStep("supervisor", 0)); }

TEST_P(DeathTest, OfTheZygote) { ExpectInternalThenRecovery(KillDuringStep("interpreter", 0)); }

TEST_P(DeathTest, OfThePausedZygoteBetweenSteps) {
  EXPECT_EQ(Run("x = 1").verdict, Verdict::kOk);
  kill(Descendants("interpreter").at(0), SIGKILL);
  std::this_thread::sleep_for(milliseconds(200));
  ExpectInternalThenRecovery(Run("x = 2"));
}

TEST_P(DeathTest, OfASnapshotIsAReplay) {
  EXPECT_EQ(Run("x = 1").verdict, Verdict::kOk);
  const auto interpreters = Descendants("interpreter");
  ASSERT_EQ(interpreters.size(), 2U);
  kill(interpreters[1], SIGKILL);
  std::this_thread::sleep_for(milliseconds(200));
  const auto result = sandbox_->Run({{{"x = 1", 1}}, {"print(x)", 1}});
  EXPECT_EQ(result.verdict, Verdict::kOk) << result.error;
  EXPECT_EQ(result.output, "1\n");
  EXPECT_EQ(result.steps_executed, 2);
}

TEST_P(DeathTest, OfTheSandboxLeavesNobody) {
  EXPECT_EQ(Run("x = 1").verdict, Verdict::kOk);
  EXPECT_FALSE(Descendants("").empty());
  sandbox_.reset();
  EXPECT_TRUE(NobodyLeft());
}

TEST_P(DeathTest, OfTheCallerLeavesNobody) {
  sandbox_.reset();
  const pid_t caller = fork();
  ASSERT_GE(caller, 0);
  if (caller == 0) {
    SandboxOptions options;
    options.isolation = GetParam();
    auto started = Sandbox::Start(options);
    if (started.ok()) (*started)->Run({{}, {"import os\nx = 1", 1}});
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  waitpid(caller, &status, 0);
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_TRUE(NobodyLeft());
}

INSTANTIATE_TEST_SUITE_P(Walls, DeathTest, ::testing::Values(Isolation::kBubblewrap, Isolation::kNone),
                         [](const auto& info) { return info.param == Isolation::kBubblewrap ? "Bubblewrap" : "None"; });

}  // namespace
}  // namespace orrery::sandbox
