// SPDX-License-Identifier: Apache-2.0
// Many steps in a row on one supervisor: its memory, its descriptors, its processes and its quickness at the end are
// those of the beginning. ORRERY_SOAK_STEPS says how many (.ci/long: 200,000).
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>

#include "sandbox/sandbox.h"
#include "tests/sandbox/processes.h"

namespace orrery::sandbox {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kWindow = 500;  // steps whose times are compared

struct Figures {
  pid_t supervisor = 0;
  uint64_t resident_kib = 0;
  size_t descriptors = 0;
  size_t processes = 0;
  size_t ended = 0;  // not yet waited for
  double p10_ms = 0, p50_ms = 0, p99_ms = 0;
};

Figures Look(std::vector<double> milliseconds) {
  std::sort(milliseconds.begin(), milliseconds.end());
  const auto at = [&](double share) { return milliseconds[static_cast<size_t>(share * (milliseconds.size() - 1))]; };
  Figures figures;
  for (const auto& process : Family()) {
    ++figures.processes;
    if (process.state == 'Z') ++figures.ended;
    if (process.name == "supervisor") figures.supervisor = process.pid;
  }
  figures.resident_kib = ResidentKib(figures.supervisor);
  figures.descriptors = Descriptors(figures.supervisor);
  figures.p10_ms = at(0.1);
  figures.p50_ms = at(0.5);
  figures.p99_ms = at(0.99);
  return figures;
}

void Print(const char* when, size_t steps, const Figures& figures) {
  std::printf(
      "%s, after %zu steps: supervisor %zu KiB, %zu descriptors; %zu processes, %zu of them ended; step p10 "
      "%.2f ms, p50 %.2f ms, p99 %.2f ms\n",
      when, steps, static_cast<size_t>(figures.resident_kib), figures.descriptors, figures.processes, figures.ended,
      figures.p10_ms, figures.p50_ms, figures.p99_ms);
}

// The i-th step: paths of up to eight steps with siblings that fail, print, allocate and crash among them.
class Walk {
 public:
  const StepRequest& Next() {
    if (request_.parents.size() == 8 || random_() % 5 == 0) request_.parents.clear();
    const char* pieces[] = {"n = 1\nprint(n)", "n = 2", "values = list(range(100))\nprint(sum(values))",
                            "import math\nprint(math.comb(40, 20))", "text = 'x' * 100000"};
    const char* ends[] = {"1 / 0", "raise SystemExit", "print('y' * 70000)", "import ctypes\nctypes.string_at(0)"};
    ends_ = random_() % 20 == 0;
    const auto& code = ends_ ? ends[random_() % std::size(ends)] : pieces[random_() % std::size(pieces)];
    request_.step = {code, random_() % 1000};
    return request_;
  }
  bool MustFail() const { return ends_; }
  void Keep() { request_.parents.push_back(request_.step); }

 private:
  std::mt19937_64 random_{5};
  StepRequest request_;
  bool ends_ = false;
};

TEST(Soak, NothingGrows) {
  const char* wanted = std::getenv("ORRERY_SOAK_STEPS");
  const size_t steps = wanted == nullptr ? 3000 : std::strtoull(wanted, nullptr, 10);
  ASSERT_GE(steps, 3 * kWindow);
  SandboxOptions options;
  options.wall_seconds = 30;
  auto sandbox = Sandbox::Start(options);
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  Walk walk;
  std::vector<double> times;
  Figures before;
  for (size_t i = 1; i <= steps; ++i) {
    const auto begin = Clock::now();
    const auto result = (*sandbox)->Run(walk.Next());
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
    ASSERT_NE(result.verdict, Verdict::kInternal) << "step " << i << ": " << result.error;
    ASSERT_EQ(result.verdict != Verdict::kOk, walk.MustFail()) << "step " << i << ": " << result.error;
    ASSERT_EQ(result.poisoned, "") << "step " << i;
    if (result.verdict == Verdict::kOk) walk.Keep();
    if (i == 2 * kWindow) {
      before = Look({times.end() - kWindow, times.end()});
      Print("before", i, before);
    }
    if (times.size() == 4 * kWindow) times.erase(times.begin(), times.end() - kWindow);
  }
  const Figures after = Look({times.end() - kWindow, times.end()});
  Print("after", steps, after);
  EXPECT_EQ(after.supervisor, before.supervisor) << "one supervisor all the way";
  EXPECT_LE(after.resident_kib, before.resident_kib + 8 * 1024);
  EXPECT_LE(after.descriptors, before.descriptors + 2);
  EXPECT_LE(after.processes, 64U + 8U) << "the snapshots and a few";
  EXPECT_LE(after.ended, 4U);
  EXPECT_LE(after.p10_ms, 2 * before.p10_ms + 2) << "the quickest tenth, which a busy machine slows least";
}

}  // namespace
}  // namespace orrery::sandbox
