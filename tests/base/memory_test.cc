// SPDX-License-Identifier: Apache-2.0
// What is left of memory as the system and control groups of both versions tell it.
#include "base/memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace orrery {
namespace {

namespace fs = std::filesystem;

class MemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(root_);
    Write("proc/meminfo", "MemTotal:       8000000 kB\nMemFree:         100 kB\nMemAvailable:    1000 kB\n");
  }
  void Write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  uint64_t Available() const { return AvailableMemory(root_ / "proc", root_ / "groups"); }

  fs::path root_ = fs::path(testing::TempDir()) / ("memory" + std::to_string(getpid()));
};

TEST_F(MemoryTest, IsWhatTheSystemHasWhereNoGroupLimitsIt) {
  EXPECT_EQ(Available(), 1000u * 1024);
  Write("proc/self/cgroup", "0::/a/b\n");
  Write("groups/a/memory.max", "max\n");
  Write("groups/a/memory.current", "5\n");
  EXPECT_EQ(Available(), 1000u * 1024);
}

TEST_F(MemoryTest, IsTheLeastThatAnyGroupAboveLeaves) {
  Write("proc/self/cgroup", "0::/a/b\n");
  Write("groups/a/memory.max", "500000\n");
  Write("groups/a/memory.current", "300000\n");
  Write("groups/a/memory.stat", "anon 200000\ninactive_file 50000\n");
  Write("groups/a/b/memory.max", "400000\n");
  Write("groups/a/b/memory.current", "1000\n");
  EXPECT_EQ(Available(), 250000u);
}

TEST_F(MemoryTest, KnowsTheFirstVersionToo) {
  Write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:hugetlb,memory:/a\n");
  Write("groups/memory/a/memory.limit_in_bytes", "70000\n");
  Write("groups/memory/a/memory.usage_in_bytes", "100000\n");
  Write("groups/memory/a/memory.stat", "total_inactive_file 60000\n");
  EXPECT_EQ(Available(), 30000u);
  Write("groups/memory/a/memory.stat", "total_inactive_file 0\n");
  EXPECT_EQ(Available(), 0u);
}

TEST(Memory, AnAddressSpaceCountsAsWell) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's shadow takes more address space than there is memory";
#endif
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  rlimit small = before;
  small.rlim_cur = rlim_t{64} << 30;
  if (before.rlim_cur < small.rlim_cur || setrlimit(RLIMIT_AS, &small) != 0) GTEST_SKIP() << "limited already";
  EXPECT_LT(AvailableMemory(), uint64_t{64} << 30);
  EXPECT_GT(AvailableMemory(), uint64_t{64} << 10);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
}

}  // namespace
}  // namespace orrery
