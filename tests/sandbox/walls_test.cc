// SPDX-License-Identifier: Apache-2.0
// Walls and watchmen one by one: Landlock alone keeps a process from files, and what drifts is told.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/memory.h"
#include "sandbox/health.h"
#include "sandbox/landlock.h"

namespace orrery::sandbox {
namespace {

int KernelsLandlock() { return static_cast<int>(std::max(0L, syscall(SYS_landlock_create_ruleset, nullptr, 0, 1))); }

TEST(Landlock, AloneForbidsFiles) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const int before = open("/dev/null", O_RDWR);
    const int version = ForbidFiles();
    const bool opened = open("/dev/null", O_RDONLY) >= 0;
    const int reason = errno;
    const bool still_writes = write(before, "x", 1) == 1;
    if (version != KernelsLandlock()) _exit(1);
    if (version > 0 && (opened || reason != EACCES)) _exit(2);
    _exit(still_writes ? 0 : 3);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  if (KernelsLandlock() == 0) GTEST_SKIP() << "this kernel has no Landlock";
}

TEST(Health, IsJudgedAgainstItsYouth) {
  const Vitals young{.own_bytes = 8 << 20, .zygote_bytes = 80 << 20, .descriptors = 9, .quickest_seconds = 0.002};
  Health health;
  EXPECT_EQ(health.Judge(young), "");
  EXPECT_EQ(health.Judge(young), "");
  const auto judged = [&](auto change) {
    Vitals now = young;
    change(now);
    return health.Judge(now);
  };
  EXPECT_EQ(judged([](Vitals& now) { now.own_bytes += 60 << 20; }), "");
  EXPECT_NE(judged([](Vitals& now) { now.own_bytes += 70 << 20; }), "");
  EXPECT_NE(judged([](Vitals& now) { now.zygote_bytes += 70 << 20; }), "");
  EXPECT_EQ(judged([](Vitals& now) { now.descriptors = 40; }), "");
  EXPECT_EQ(judged([](Vitals& now) { now.descriptors = 50; }), "50 descriptors are open, 9 were");
  EXPECT_EQ(judged([](Vitals& now) { now.strangers = 9; }), "9 processes belong to no step");
  EXPECT_EQ(judged([](Vitals& now) { now.quickest_seconds = 0.04; }), "") << "slower, and not slow";
  EXPECT_NE(judged([](Vitals& now) { now.quickest_seconds = 0.06; }), "");
}

TEST(Health, LooksAtThisProcess) {
  const int before = OpenDescriptors();
  const int file = open("/dev/null", O_RDONLY);
  EXPECT_EQ(OpenDescriptors(), before + 1);
  close(file);
  EXPECT_GT(ResidentBytes(), uint64_t{1} << 20);
}

}  // namespace
}  // namespace orrery::sandbox
