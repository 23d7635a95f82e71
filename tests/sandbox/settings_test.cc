// SPDX-License-Identifier: Apache-2.0
// What a step may import: as the setting says, and told where it cannot be met.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/paths.h"
#include "sandbox/packages.h"
#include "sandbox/sandbox.h"

namespace orrery::sandbox {
namespace {

namespace fs = std::filesystem;

SandboxOptions With(const std::string& packages) {
  SandboxOptions options;
  options.wall_seconds = 20;
  options.packages = packages;
  return options;
}

std::string Output(Sandbox& sandbox, const std::string& code) {
  const auto result = sandbox.Run({{}, {code, 1}});
  return result.verdict == Verdict::kOk ? result.output : std::string(Name(result.verdict)) + " " + result.error;
}

TEST(Packages, ThoseOfTheSettingAndNoOthers) {
  auto started = Sandbox::Start(With("antlr4 sqlite3"));
  ASSERT_TRUE(started.ok()) << started.status();
  Sandbox& sandbox = **started;
  EXPECT_EQ(Output(sandbox, "import numpy"), "runtime-error ModuleNotFoundError: No module named 'numpy'");
  EXPECT_EQ(Output(sandbox, "from sympy import solve"), "runtime-error ModuleNotFoundError: No module named 'sympy'");
  EXPECT_EQ(Output(sandbox, "import math, random\nprint(math.floor(2.5), random.Random(1).randint(0, 9))"), "2 2\n");
  EXPECT_EQ(Output(sandbox, "import sqlite3\nprint(sqlite3.connect(':memory:').execute('select 1 + 1').fetchall())"),
            "[(2,)]\n")
      << "machine code of the standard library that is named";
  EXPECT_EQ(Output(sandbox, "from antlr4.tree.Tree import TerminalNodeImpl\nprint(TerminalNodeImpl.__name__)"),
            "TerminalNodeImpl\n")
      << "a part of a package of the environment";
}

TEST(Packages, NoneIsTheStandardLibraryAlone) {
  auto sandbox = Sandbox::Start(With(""));
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  EXPECT_EQ(Output(**sandbox, "import random, statistics\nprint(statistics.mean([1, 2, 6]))"), "3\n");
  EXPECT_EQ(Output(**sandbox, "import mpmath"), "runtime-error ModuleNotFoundError: No module named 'mpmath'");
}

TEST(Packages, WhatIsNotInstalledIsNamed) {
  const auto status = Sandbox::Start(With("numpy no_such_package")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(Message(status).find("sandbox.packages: no_such_package is neither in"), std::string::npos) << status;

  const fs::path folder = PythonEnvironment() / "lib/python3.11/site-packages";
  EXPECT_EQ(*InstalledPackages(" sympy  no_such_package? numpy sympy ", folder), "sympy numpy");
  EXPECT_EQ(*InstalledPackages("", folder), "");
  for (const char* bad : {"../numpy", "numpy.linalg", "a;b", "?", "1st"})
    EXPECT_EQ(InstalledPackages(bad, folder).status().code(), absl::StatusCode::kInvalidArgument) << bad;
}

}  // namespace
}  // namespace orrery::sandbox
