// SPDX-License-Identifier: Apache-2.0
// The walls stand for an ordinary user too. Started as root, the test becomes one, in a mount namespace that lets it
// see what it needs.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/paths.h"
#include "sandbox/sandbox.h"

namespace orrery::sandbox {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;
constexpr int kCannotBecome = 77;  // this machine's root is not root: Bazel's sandbox has but one user

// 0 where a sandbox of this user's works.
int TryAs(const fs::path& python) {
  SandboxOptions options;
  options.python = python;
  options.wall_seconds = 20;
  auto sandbox = Sandbox::Start(options);
  if (!sandbox.ok()) {
    std::fprintf(stderr, "%s\n", Message(sandbox.status()).c_str());
    return 1;
  }
  const auto result = (*sandbox)->Run({{{"x = 6", 1}}, {"print(x * 7)", 2}});
  const auto refused = (*sandbox)->Run({{}, {"open('/etc/passwd')", 1}});
  std::fprintf(stderr, "%s %s %s\n", std::string(Name(result.verdict)).c_str(), result.error.c_str(),
               result.output.c_str());
  return result.output == "42\n" && refused.verdict == Verdict::kRuntimeError ? 0 : 2;
}

// In a child: what root alone may see is brought to `folder`, then root is given up.
int BecomeOrdinaryAndTry(const fs::path& folder) {
  std::error_code error;
  const fs::path packages = fs::canonical(PythonEnvironment() / "lib/python3.11/site-packages", error);
  const fs::path there = folder / "python/lib/python3.11/site-packages";
  fs::create_directories(there, error);
  fs::create_directories(folder / "orrery/sandbox", error);
  for (const char* name : {"sandbox/supervisor", "sandbox/interpreter", "sandbox/zygote.py"}) {
    const auto file = DataFile(name);
    if (!file.ok()) return 3;
    fs::copy_file(fs::canonical(*file, error), folder / "orrery" / name, error);
    if (error) return 4;
  }
  if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount(packages.c_str(), there.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
      setresgid(kNobody, kNobody, kNobody) != 0 || setresuid(kNobody, kNobody, kNobody) != 0) {
    return kCannotBecome;
  }
  setenv("RUNFILES_DIR", folder.c_str(), 1);
  return TryAs(folder / "python");
}

TEST(OrdinaryUser, HasTheSameWalls) {
  if (geteuid() != 0) {
    EXPECT_EQ(TryAs(PythonEnvironment()), 0);
    return;
  }
  std::string folder = "/tmp/orrery-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  chmod(folder.c_str(), 0755);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(BecomeOrdinaryAndTry(folder));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  fs::remove_all(folder);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kCannotBecome)
    GTEST_SKIP() << "this root may not become another user";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace orrery::sandbox
