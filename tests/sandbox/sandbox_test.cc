// SPDX-License-Identifier: Apache-2.0
#include "sandbox/sandbox.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "sandbox/attacks.h"
#include "tests/sandbox/processes.h"

namespace orrery::sandbox {
namespace {

SandboxOptions Options() {
  SandboxOptions options;
  options.wall_seconds = 20;  // the machine may be busy; what must time out is given less
  options.memory_bytes = uint64_t{256} << 20;
  return options;
}

class SandboxTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto started = Sandbox::Start(Options());
    ASSERT_TRUE(started.ok()) << started.status();
    sandbox_ = std::move(*started).release();
  }
  static void TearDownTestSuite() {
    delete sandbox_;
    sandbox_ = nullptr;
  }
  void SetUp() override { ASSERT_NE(sandbox_, nullptr); }

  static StepResult Run(const std::string& code, uint64_t seed = 1) { return sandbox_->Run({{}, {code, seed}}); }

  static Sandbox* sandbox_;
};
Sandbox* SandboxTest::sandbox_ = nullptr;

TEST_F(SandboxTest, OkWithWhatItPrinted) {
  const auto result = Run("print(6 * 7)\nprint('\u2211', end='')");
  EXPECT_EQ(result.verdict, Verdict::kOk) << result.error;
  EXPECT_EQ(result.output, "42\n\u2211");
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.steps_executed, 1);
  EXPECT_GT(result.cpu_seconds, 0);
  EXPECT_GT(result.peak_bytes, uint64_t{10} << 20);
}

TEST_F(SandboxTest, NothingIsEchoed) { EXPECT_EQ(Run("42\n'text'\n1 + 1").output, ""); }

TEST_F(SandboxTest, RuntimeErrorsCarryTheLastLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"1 / 0", "ZeroDivisionError: division by zero"},
      {"x = = 1", "SyntaxError: invalid syntax"},
      {"raise SystemExit(0)", "SystemExit: 0"},
      {"raise KeyboardInterrupt", "KeyboardInterrupt"},
      {"undefined", "NameError: name 'undefined' is not defined"},
      {"raise ValueError('two\\nlines')", "ValueError: two"},
      {"import requests", "ModuleNotFoundError: No module named 'requests'"},
      {"input()", "EOFError: EOF when reading a line"},
      {"import threading\nthreading.Thread(target=print).start()", "RuntimeError: can't start new thread"},
      {"assert 1 == 2, 'unequal'", "AssertionError: unequal"},
      {"print('before')\nimport os\nos._exit(3)", "the step ended its own process (exit status 3)"},
  };
  for (const auto& [code, error] : cases) {
    const auto result = Run(code);
    EXPECT_EQ(result.verdict, Verdict::kRuntimeError) << code;
    EXPECT_EQ(result.error, error) << code;
  }
}

TEST_F(SandboxTest, OutputBeforeAnErrorIsKept) {
  const auto result = Run("print('before')\nraise ValueError");
  EXPECT_EQ(result.output, "before\n");
  EXPECT_EQ(result.error, "ValueError");
}

TEST_F(SandboxTest, CodeThatIsNoText) {
  EXPECT_EQ(Run(std::string("x = 1\0", 6)).verdict, Verdict::kRuntimeError);
  EXPECT_EQ(Run("\xff\xfe").verdict, Verdict::kRuntimeError);
  EXPECT_EQ(Run("").verdict, Verdict::kOk);
  EXPECT_EQ(Run(std::string(1 << 20, '#')).verdict, Verdict::kOk) << "a megabyte";
}

TEST_F(SandboxTest, MemoryLimit) {
  EXPECT_EQ(Run("a = [0] * 10**10").verdict, Verdict::kMemoryLimit);
  EXPECT_EQ(Run("a = bytearray(200 << 20)\nprint(len(a))").verdict, Verdict::kOk) << "below the limit";
  EXPECT_EQ(Run("a = bytearray(300 << 20)").verdict, Verdict::kMemoryLimit) << "above it";
}

TEST_F(SandboxTest, OutputLimitCutsAtTheLimit) {
  const auto exact = Run("print('x' * 65535)");
  EXPECT_EQ(exact.verdict, Verdict::kOk);
  EXPECT_EQ(exact.output.size(), 65536U);
  const auto over = Run("print('x' * 65536)");
  EXPECT_EQ(over.verdict, Verdict::kOutputLimit);
  EXPECT_EQ(over.output, std::string(65536, 'x'));
  const auto cut = Run("print('x' * 65535 + '\u2211')");
  EXPECT_EQ(cut.verdict, Verdict::kOutputLimit);
  EXPECT_EQ(cut.output, std::string(65535, 'x')) << "no half character";
}

TEST_F(SandboxTest, SignalsAreNamed) {
  const auto result = Run("import ctypes\nctypes.string_at(0)");
  EXPECT_EQ(result.verdict, Verdict::kSignal);
  EXPECT_EQ(result.error, "SIGSEGV");
}

TEST_F(SandboxTest, BytesThatAreNoTextAreEscaped) {
  EXPECT_EQ(Run("import sys\nsys.stdout.buffer.write(b'a\\xffb\\xe2\\x88')").output, "a\\xffb\\xe2\\x88");
}

TEST_F(SandboxTest, TimeOutNamesItsClock) {
  auto options = Options();
  options.wall_seconds = 1;
  auto sandbox = Sandbox::Start(options);
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  const auto result = (*sandbox)->Run({{}, {"import sys\nprint('said')\nsys.stdout.flush()\nwhile True: pass", 1}});
  EXPECT_EQ(result.verdict, Verdict::kTimeOut);
  EXPECT_EQ(result.error, "wall clock");
  EXPECT_EQ(result.output, "said\n");
  EXPECT_GE(result.wall_seconds, 1);
  EXPECT_LT(result.wall_seconds, 5);
  EXPECT_EQ((*sandbox)->Run({{}, {"print(1)", 1}}).output, "1\n") << "and the next step runs";
}

TEST_F(SandboxTest, StepsSeeTheirParentsStateAndPrintTheirOwnOutput) {
  const auto results =
      RunProgram(*sandbox_,
                 {"import math\nx = 2\nprint('first')", "def double(v):\n    return 2 * v\nprint('second', end='')",
                  "print(double(x), math.sqrt(16), __name__)"},
                 1);
  ASSERT_EQ(results.size(), 3U);
  EXPECT_EQ(results[1].output, "second");
  EXPECT_EQ(results[2].output, "4 4.0 __main__\n");
  for (const auto& result : results) EXPECT_EQ(result.steps_executed, 1);
}

TEST_F(SandboxTest, SiblingsShareNothingTheyWrite) {
  StepRequest request{{{"import math, random\nseen = []", 1}}, {}};
  ASSERT_EQ(Run(request.parents[0].code).verdict, Verdict::kOk);
  for (int i = 0; i < 4; ++i) {
    request.step = {"seen.append(1)\nmath.leak = getattr(math, 'leak', 0) + 1\nprint(len(seen), math.leak)", 5};
    const auto result = sandbox_->Run(request);
    EXPECT_EQ(result.output, "1 1\n");
    EXPECT_EQ(result.steps_executed, 1);
  }
  request.step = {"print(seen, hasattr(math, 'leak'))", 6};
  EXPECT_EQ(sandbox_->Run(request).output, "[] False\n");
}

TEST_F(SandboxTest, AFailedSiblingLeavesItsParentWell) {
  StepRequest request{{{"x = [1]", 1}}, {"x.append(2)\nraise ValueError", 2}};
  EXPECT_EQ(sandbox_->Run(request).verdict, Verdict::kRuntimeError);
  request.step = {"import ctypes\nx.clear()\nctypes.string_at(0)", 2};
  EXPECT_EQ(sandbox_->Run(request).verdict, Verdict::kSignal);
  request.step = {"print(x)", 3};
  const auto result = sandbox_->Run(request);
  EXPECT_EQ(result.output, "[1]\n");
  EXPECT_EQ(result.steps_executed, 1);
}

TEST_F(SandboxTest, RandomnessComesFromTheStepsOwnSeed) {
  const std::string code =
      "import random, numpy, os, secrets\n"
      "print(random.random(), numpy.random.rand(), numpy.random.default_rng().random(), random.Random().random(), "
      "os.urandom(8), "
      "secrets.token_hex(4))";
  EXPECT_EQ(Run(code, 5).output, Run(code, 5).output);
  EXPECT_NE(Run(code, 5).output, Run(code, 6).output);
  const auto steps = RunProgram(*sandbox_, {code, code}, 5);
  EXPECT_EQ(steps[0].output, Run(code, 5).output);
  EXPECT_EQ(steps[1].output, Run(code, 6).output) << "what the parent drew does not matter";
}

TEST_F(SandboxTest, ThePackagesWork) {
  const auto result =
      Run("import sympy, numpy\nfrom fractions import Fraction\nfrom decimal import Decimal\nimport statistics, "
          "itertools, collections, datetime\n"
          "x = sympy.symbols('x')\nprint(sympy.solve(x**2 - 4, x), sympy.integrate(x, x), sympy.factorint(12), "
          "sympy.Matrix([[1, 2], [3, 4]]).det())\n"
          "print(numpy.linalg.det(numpy.eye(2)), Fraction(1, 3) + 1, Decimal('0.1') * 3, statistics.mean([1, 2]), "
          "datetime.date(2024, 1, 31))\n"
          "from sympy.physics.units import meter\nimport sympy.stats\nprint(meter, 1/3, {3, 1, 2}, {'b': 1, 'a': 2})");
  EXPECT_EQ(result.verdict, Verdict::kOk) << result.error;
  EXPECT_EQ(result.output,
            "[-2, 2] x**2/2 {2: 2, 3: 1} -2\n1.0 4/3 0.3 1.5 2024-01-31\nmeter 0.3333333333333333 {1, 2, 3} {'b': 1, "
            "'a': 2}\n");
}

TEST(SandboxDeterminism, TwoSandboxesPrintTheSameBytes) {
  const std::vector<std::string> steps = {
      R"(import time, os, datetime, random, threading
class Thing: pass
things = {Thing() for _ in range(20)}
for i, t in enumerate(things): t.i = i)",
      "print(time.time(), time.perf_counter(), os.getpid(), datetime.datetime.now(), hash('text'), "
      "threading.get_native_id())",
      "print(Thing(), Thing.__repr__, print, lambda: 0, (i for i in []), memoryview(b''), threading.Lock(), "
      "object().__repr__)",
      "print([t.i for t in things], [hash(object()) for _ in range(3)], {int, str, float, Thing}, id(things))",
      "import sympy\nprint(sympy.symbols('a:5'), sympy.Dummy(), set(sympy.symbols('a:9')), os.cpu_count())\nimport "
      "uuid\nprint(uuid.uuid4())"};
  std::vector<std::string> outputs[2];
  for (auto& output : outputs) {
    auto sandbox = Sandbox::Start(Options());
    ASSERT_TRUE(sandbox.ok()) << sandbox.status();
    for (const auto& result : RunProgram(**sandbox, steps, 3)) {
      EXPECT_EQ(result.verdict, Verdict::kOk) << result.error;
      output.push_back(result.output);
    }
  }
  EXPECT_EQ(outputs[0], outputs[1]);
  ASSERT_EQ(outputs[0].size(), steps.size());
  EXPECT_EQ(outputs[0][2].find("0x"), std::string::npos) << outputs[0][2];
}

TEST(SandboxStart, WithoutWallsTheVerdictsAreTheSame) {
  auto options = Options();
  options.isolation = Isolation::kNone;
  options.wall_seconds = 3;
  auto sandbox = Sandbox::Start(options);
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  const auto run = [&](const char* code) { return (*sandbox)->Run({{}, {code, 1}}).verdict; };
  EXPECT_EQ(run("print(1)"), Verdict::kOk);
  EXPECT_EQ(run("open('/etc/passwd')"), Verdict::kRuntimeError);
  EXPECT_EQ(run("while True: pass"), Verdict::kTimeOut);
  EXPECT_EQ(run("a = [0] * 10**10"), Verdict::kMemoryLimit);
  EXPECT_EQ(run("while True: print('x' * 1000)"), Verdict::kOutputLimit);
  EXPECT_EQ(run("import ctypes\nctypes.string_at(0)"), Verdict::kSignal);
}

TEST(SandboxStart, TheGuardsSayWhatIsActive) {
  auto sandbox = Sandbox::Start(Options());
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  std::string all;
  for (const auto& guard : (*sandbox)->Guards()) all += Describe(guard) + "\n";
  for (const char* part :
       {"bubblewrap", "namespaces: user pid net mnt ipc uts", "no_new_privs: set", "capabilities dropped: all",
        "seccomp: 1 filters", "landlock: ", "file size 0", "memory: 256 MiB", "packages: mpmath numpy sympy",
        "fixed addresses", "cgroup memory", "cgroup pids"}) {
    EXPECT_NE(all.find(part), std::string::npos) << part << " is not in\n" << all;
  }
}

// What a step costs is the pages its fork must map: some 170 for a first step and for those after it. Were the warm
// interpreter left as Python leaves it, a first step would take 490.
TEST(SandboxCost, AStepMapsFewPages) {
  auto sandbox = Sandbox::Start(Options());
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  const auto before = Descendants("interpreter");
  StepRequest request;
  for (const uint64_t seed : {1, 2, 3}) {
    request.step = {"x = 6 * 7\nprint(x)", seed};
    EXPECT_EQ((*sandbox)->Run(request).verdict, Verdict::kOk);
    request.parents.push_back(request.step);
  }
  size_t steps = 0;
  for (const auto& process : Family()) {
    if (process.name != "interpreter" || std::ranges::find(before, process.pid) != before.end()) continue;
    ++steps;
    EXPECT_GT(process.faults, 20U);
    EXPECT_LT(process.faults, 300U);
  }
  EXPECT_EQ(steps, 3U);
}

TEST(SandboxStart, WhatIsMissingIsNamed) {
  auto options = Options();
  options.python = "/nowhere";
  EXPECT_NE(Message(Sandbox::Start(options).status()).find("/nowhere"), std::string::npos);
  options = Options();
  options.wall_seconds = 0;
  EXPECT_EQ(Sandbox::Start(options).status().code(), absl::StatusCode::kInvalidArgument);
  const std::string path = std::getenv("PATH");
  setenv("PATH", "/nowhere", 1);
  const auto status = Sandbox::Start(Options()).status();
  setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(Message(status).find("bubblewrap"), std::string::npos) << status;
  EXPECT_NE(Message(status).find("sandbox.isolation=none"), std::string::npos) << status;
}

}  // namespace
}  // namespace orrery::sandbox
