// SPDX-License-Identifier: Apache-2.0
// Whoever of the sandbox's own processes is killed: the verdict is internal, nothing is left behind, and the next step
// runs.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "sandbox/sandbox.h"
#include "tests/sandbox/processes.h"

namespace orrery::sandbox {
namespace {

using std::chrono::milliseconds;

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

// The interpreter that computes a step, once it has computed for 50 ms; the zygote, which is the eldest, is none. 0
// where there is none within 20 seconds.
pid_t ComputingFork() {
  for (int i = 0; i < 20'000; ++i) {
    std::this_thread::sleep_for(milliseconds(1));
    const auto interpreters = Descendants("interpreter");
    if (interpreters.empty()) continue;
    const pid_t zygote = *std::min_element(interpreters.begin(), interpreters.end());
    for (const auto& process : Family()) {
      if (process.name == "interpreter" && process.pid != zygote && process.state == 'R' && process.ticks >= 5)
        return process.pid;
    }
  }
  return 0;
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

TEST_P(DeathTest, OfDescriptorsIsAFreshSupervisor) {
  EXPECT_EQ(Run("x = 1").verdict, Verdict::kOk);
  const pid_t poisoned = Descendants("supervisor").at(0);
  const rlimit none{0, 0};
  ASSERT_EQ(prlimit(poisoned, RLIMIT_NOFILE, &none, nullptr), 0);
  ExpectInternalThenRecovery(Run("x = 2"));
  EXPECT_NE(Descendants("supervisor").at(0), poisoned);
}

// A step that ended ok is not timed again: stopped for longer than the deadline while it is replayed, it is still ok.
TEST_P(DeathTest, OfTimeIsNotDecidedAgainOnReplay) {
  SandboxOptions options;
  options.isolation = GetParam();
  options.wall_seconds = 2;
  options.snapshot_count = 0;
  auto started = Sandbox::Start(options);
  ASSERT_TRUE(started.ok()) << started.status();
  sandbox_ = std::move(*started);
  const std::string slow = "n = 0\nwhile n < 12_000_000: n += 1\nprint(n)";
  std::thread stopper([&] {
    const pid_t step = ComputingFork();
    ASSERT_NE(step, 0);
    kill(step, SIGSTOP);
    std::this_thread::sleep_for(milliseconds(3000));
    kill(step, SIGCONT);
  });
  const auto result = sandbox_->Run({{{slow, 1}}, {"print(n)", 2}});
  stopper.join();
  EXPECT_EQ(result.verdict, Verdict::kOk) << Name(result.verdict) << " " << result.error;
  EXPECT_EQ(result.output, "12000000\n");
  EXPECT_GT(result.wall_seconds, 3);
}

TEST_P(DeathTest, OfTheSupervisorFiftyTimesAtRandom) {
  constexpr int kTimes = 50;
  std::mt19937 random(7);
  double longest = 0;
  for (int i = 0; i < kTimes; ++i) {
    // The first steps go through a fresh supervisor; then it dies at any moment of a walk over a few more.
    ASSERT_EQ(Run("x = 1").output, "") << i;
    const pid_t supervisor = Descendants("supervisor").at(0);
    const auto family = Descendants("");
    std::thread killer([&, delay = random() % 60] {
      std::this_thread::sleep_for(milliseconds(delay));
      kill(supervisor, SIGKILL);
    });
    for (bool died = false; !died;) {
      const auto result = sandbox_->Run({{{"x = 1", 1}}, {"print(sum(range(x, 5000)))", 2}});
      died = result.verdict == Verdict::kInternal;
      if (!died) {
        ASSERT_EQ(result.output, "12497500\n");
      }
    }
    const auto died = Clock::now();
    killer.join();
    const auto left = [&] {
      const auto now = Descendants("interpreter");
      return std::any_of(family.begin(), family.end(),
                         [&](pid_t pid) { return std::find(now.begin(), now.end(), pid) != now.end(); });
    };
    while (left() && Clock::now() < died + std::chrono::seconds(5)) std::this_thread::sleep_for(milliseconds(1));
    ASSERT_FALSE(left());
    longest = std::max(longest, SecondsSince(died));
  }
  std::printf("%d kills; the longest that an orphan lived: %.3f s\n", kTimes, longest);
  EXPECT_LT(longest, 1);
}

INSTANTIATE_TEST_SUITE_P(Walls, DeathTest, ::testing::Values(Isolation::kBubblewrap, Isolation::kNone),
                         [](const auto& info) { return info.param == Isolation::kBubblewrap ? "Bubblewrap" : "None"; });

}  // namespace
}  // namespace orrery::sandbox
