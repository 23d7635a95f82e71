// SPDX-License-Identifier: Apache-2.0
// A step costs a step, and a snapshot that is gone makes no difference but time.
#include <gtest/gtest.h>

#include <random>

#include "sandbox/attacks.h"
#include "sandbox/sandbox.h"

namespace orrery::sandbox {
namespace {

constexpr int kPrograms = 200;

SandboxOptions Options(int snapshots) {
  SandboxOptions options;
  options.wall_seconds = 20;
  options.snapshot_count = snapshots;
  return options;
}

std::unique_ptr<Sandbox> Start(int snapshots) {
  auto sandbox = Sandbox::Start(Options(snapshots));
  EXPECT_TRUE(sandbox.ok()) << sandbox.status();
  return sandbox.ok() ? std::move(*sandbox) : nullptr;
}

// A program of 1 to 6 steps that compute, define, mutate and print; some fail.
std::vector<std::string> RandomProgram(std::mt19937_64& random) {
  const std::string pieces[] = {"x = x * 3 + 1\nprint(x % 1000)",
                                "import random\nvalues.append(random.randint(0, 99))\nprint(values)",
                                "def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\nprint(f(12))",
                                "print(sorted(values, reverse=True), end='')",
                                "class Thing:\n    count = 0\n    def __init__(self):\n        Thing.count += 1\nthing "
                                "= Thing()\nprint(thing, Thing.count)",
                                "import numpy\nprint(numpy.random.rand(2).sum() + len(values))",
                                "table = {v: str(v) for v in values}\nprint(table, {x, 'a', 2.5})",
                                "from fractions import Fraction\nx = Fraction(x, 7)\nprint(x)",
                                "import sympy\nprint(sympy.factorint(abs(int(x)) % 10000 + 2))",
                                "import time\nprint(time.time())",
                                "values = [v for v in values if v % 2]\nprint(len(values), object())",
                                "import sys\nsys.stdout.write('no end of line')",
                                "things = {object() for _ in range(5)}\nprint([hash(t) for t in things])",
                                "values[100]"};
  std::vector<std::string> steps = {"x = " + std::to_string(random() % 100) + "\nvalues = [1, 2, 3]"};
  for (uint64_t more = random() % 6; more > 0; --more) steps.push_back(pieces[random() % std::size(pieces)]);
  return steps;
}

void ExpectSame(const StepResult& one, const StepResult& other) {
  EXPECT_EQ(Name(one.verdict), Name(other.verdict));
  EXPECT_EQ(one.output, other.output);
  EXPECT_EQ(one.error, other.error);
}

TEST(Replay, RandomProgramsGiveTheSameBytesFromSnapshotsAndFromTheRoot) {
  const auto snapshots = Start(64);
  const auto none = Start(0);
  ASSERT_TRUE(snapshots && none);
  std::mt19937_64 random(11);
  for (int i = 0; i < kPrograms; ++i) {
    SCOPED_TRACE(i);
    const auto steps = RandomProgram(random);
    const auto by_steps = RunProgram(*snapshots, steps, static_cast<uint64_t>(i));
    // The last step alone, with its whole prefix replayed.
    StepRequest request;
    for (size_t s = 0; s < by_steps.size(); ++s) request.parents.push_back({steps[s], static_cast<uint64_t>(i) + s});
    request.step = request.parents.back();
    request.parents.pop_back();
    const auto replayed = none->Run(request);
    ExpectSame(by_steps.back(), replayed);
    EXPECT_EQ(by_steps.back().steps_executed, 1);
    EXPECT_EQ(replayed.steps_executed, static_cast<int>(by_steps.size()));
  }
}

TEST(Replay, TheLeastRecentlyUsedSnapshotGoesFirst) {
  const auto sandbox = Start(2);
  ASSERT_TRUE(sandbox);
  const auto on = [&](const char* parent, const char* code) { return sandbox->Run({{{parent, 1}}, {code, 2}}); };
  const auto root = [&](const char* code) { return sandbox->Run({{}, {code, 1}}); };
  EXPECT_EQ(root("x = 1").verdict, Verdict::kOk);
  EXPECT_EQ(root("x = 2").verdict, Verdict::kOk);
  EXPECT_EQ(on("x = 1", "raise ValueError(x)").steps_executed,
            1);                                    // a failed step leaves no snapshot, but its parent is used
  EXPECT_EQ(root("x = 3").verdict, Verdict::kOk);  // drops x = 2
  EXPECT_EQ(on("x = 1", "raise ValueError(x)").steps_executed, 1);
  const auto missed = on("x = 2", "raise ValueError(x)");
  EXPECT_EQ(missed.steps_executed, 2);
  EXPECT_EQ(missed.error, "ValueError: 2");
}

TEST(Replay, SnapshotsStayWithinTheirMemory) {
  auto options = Options(64);
  options.snapshot_bytes = uint64_t{64} << 20;
  auto sandbox = Sandbox::Start(options);
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  const std::string big = "data = bytearray(range(256)) * (48 << 12)";  // 48 MiB
  EXPECT_EQ((*sandbox)->Run({{}, {big, 1}}).verdict, Verdict::kOk);
  EXPECT_EQ((*sandbox)->Run({{{big, 1}}, {"raise ValueError(len(data))", 2}}).steps_executed, 1);
  EXPECT_EQ((*sandbox)->Run({{}, {big, 2}}).verdict, Verdict::kOk);
  EXPECT_EQ((*sandbox)->Run({{{big, 1}}, {"raise ValueError(len(data))", 2}}).steps_executed, 2) << "96 MiB do not fit";
}

TEST(Replay, InheritedMemoryCountsWhereAStepWroteToIt) {
  auto options = Options(64);
  options.snapshot_bytes = uint64_t{120} << 20;
  auto sandbox = Sandbox::Start(options);
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  const Step big{"data = bytearray(48 << 20)", 1};
  const Step first{"data[::4096] = bytes([1]) * (len(data) >> 12)", 2}, second{first.code, 3};
  EXPECT_EQ((*sandbox)->Run({{}, big}).verdict, Verdict::kOk);
  EXPECT_EQ((*sandbox)->Run({{big}, first}).verdict, Verdict::kOk);
  EXPECT_EQ((*sandbox)->Run({{big, first}, {"raise ValueError", 4}}).steps_executed, 1);
  EXPECT_EQ((*sandbox)->Run({{big}, second}).verdict, Verdict::kOk);
  EXPECT_EQ((*sandbox)->Run({{big, first}, {"raise ValueError", 4}}).steps_executed, 2) << "144 MiB do not fit";
}

TEST(Replay, APrefixThatFailsOnReplayIsNobodysFault) {
  const auto sandbox = Start(0);
  ASSERT_TRUE(sandbox);
  const auto result = sandbox->Run({{{"raise ValueError", 1}}, {"print(1)", 2}});
  EXPECT_EQ(result.verdict, Verdict::kInternal);
  EXPECT_NE(result.error.find("step 1 of the prefix"), std::string::npos) << result.error;
}

TEST(Replay, ADeepPathCostsOneStepEach) {
  const auto sandbox = Start(64);
  ASSERT_TRUE(sandbox);
  const std::vector<std::string> steps(24, "try:\n    n += 1\nexcept NameError:\n    n = 1\nprint(n)");
  const auto results = RunProgram(*sandbox, steps, 1);
  ASSERT_EQ(results.size(), steps.size());
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].output, std::to_string(i + 1) + "\n");
    EXPECT_EQ(results[i].steps_executed, 1);
  }
}

}  // namespace
}  // namespace orrery::sandbox
