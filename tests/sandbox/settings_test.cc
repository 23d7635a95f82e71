// SPDX-License-Identifier: Apache-2.0
// What a step may import, and what a control group may hold: as the settings say, and told where they cannot be met.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/paths.h"
#include "sandbox/control_group.h"
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

std::string Line(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

TEST(ControlGroups, TheGuardsNameBothControllers) {
  const auto group = ControlGroup::Make("", {uint64_t{1} << 30, 64});
  ASSERT_TRUE(group.ok()) << group.status();
  ASSERT_EQ(group->guards().size(), 2U);
  EXPECT_EQ(group->guards()[0].name, "cgroup memory");
  EXPECT_EQ(group->guards()[1].name, "cgroup pids");
  for (const auto& guard : group->guards()) EXPECT_FALSE(guard.detail.empty());
}

TEST(ControlGroups, OneThatIsNotThereIsNamed) {
  const auto status = ControlGroup::Make("/no/such/group", {uint64_t{1} << 30, 64}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(Message(status).find("sandbox.control_group"), std::string::npos) << status;
}

// Where ORRERY_TEST_CONTROL_GROUP names a group that may be divided (a service with Delegate=yes, or root's).
TEST(ControlGroups, HoldsTheSandboxAndGoesWithIt) {
  const char* parent = std::getenv("ORRERY_TEST_CONTROL_GROUP");
  if (parent == nullptr) GTEST_SKIP() << "ORRERY_TEST_CONTROL_GROUP is not set: no group may be divided here";
  auto options = With("");
  options.control_group = parent;
  auto sandbox = Sandbox::Start(options);
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  EXPECT_EQ(Output(**sandbox, "print(1)"), "1\n");
  std::vector<fs::path> folders;
  for (const auto& entry : fs::recursive_directory_iterator("/sys/fs/cgroup")) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory() && name.starts_with("orrery-sandbox-" + std::to_string(getpid()) + "-"))
      folders.push_back(entry.path());
  }
  ASSERT_FALSE(folders.empty());
  for (const auto& folder : folders) EXPECT_NE(Line(folder / "cgroup.procs"), "") << folder;
  for (const auto& guard : (*sandbox)->Guards()) {
    if (guard.name.starts_with("cgroup")) {
      EXPECT_TRUE(guard.active) << guard.detail;
    }
  }
  sandbox->reset();
  for (const auto& folder : folders) EXPECT_FALSE(fs::exists(folder)) << folder;
}

}  // namespace
}  // namespace orrery::sandbox
