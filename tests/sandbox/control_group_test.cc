// SPDX-License-Identifier: Apache-2.0
// A sandbox's own control group, where this machine lets one be made: the caller's where it is delegated, or root's.
#include "sandbox/control_group.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <optional>

#include "sandbox/sandbox.h"
#include "tests/sandbox/processes.h"

namespace orrery::sandbox {
namespace {

namespace fs = std::filesystem;

constexpr GroupLimits kLimits{uint64_t{1} << 30, 64};

TEST(ControlGroups, TheGuardsNameBothControllers) {
  const auto group = ControlGroup::Make("", kLimits);
  ASSERT_TRUE(group.ok()) << group.status();
  ASSERT_EQ(group->guards().size(), 2U);
  EXPECT_EQ(group->guards()[0].name, "cgroup memory");
  EXPECT_EQ(group->guards()[1].name, "cgroup pids");
  for (const auto& guard : group->guards()) EXPECT_FALSE(guard.detail.empty());
}

TEST(ControlGroups, OneThatIsNotThereIsNamed) {
  const auto status = ControlGroup::Make("/no/such/group", kLimits).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(Message(status).find("sandbox.control_group"), std::string::npos) << status;
}

// ORRERY_TEST_CONTROL_GROUP, else the caller's own, else the root's; nothing and in `why` what the kernel says.
std::optional<std::string> Divisible(std::string& why) {
  std::vector<std::string> parents = {"", "/"};
  if (const char* named = std::getenv("ORRERY_TEST_CONTROL_GROUP")) parents.insert(parents.begin(), named);
  for (const auto& parent : parents) {
    const auto group = ControlGroup::Make(parent, kLimits);
    if (group.ok() && !group->entrances().empty()) return parent;
    why += group.ok() ? "the caller's own group is not delegated; " : Message(group.status());
  }
  return {};
}

class DividedGroup : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    const auto parent = Divisible(why);
    if (!parent) GTEST_SKIP() << "no group may be divided here: " << why;
    options_.wall_seconds = 20;
    options_.memory_bytes = uint64_t{256} << 20;
    options_.control_group = *parent;
  }

  // The folders of this test's groups.
  static std::vector<fs::path> Groups() {
    std::vector<fs::path> folders;
    std::error_code error;
    for (fs::recursive_directory_iterator entry("/sys/fs/cgroup", error), end; entry != end; entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      if (name.starts_with("orrery-sandbox-" + std::to_string(getpid()) + "-")) folders.push_back(entry->path());
    }
    return folders;
  }

  static std::vector<pid_t> Members(const fs::path& folder) {
    std::ifstream file(folder / "cgroup.procs");
    return {std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()};
  }

  SandboxOptions options_;
};

TEST_F(DividedGroup, HoldsTheSandboxAndGoesWithIt) {
  auto sandbox = Sandbox::Start(options_);
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  const auto result = (*sandbox)->Run({{}, {"print(1)", 1}});
  EXPECT_EQ(result.output, "1\n") << result.error;
  const auto folders = Groups();
  ASSERT_FALSE(folders.empty());
  for (const auto& folder : folders) {
    const auto members = Members(folder);
    for (const pid_t interpreter : Descendants("interpreter"))
      EXPECT_NE(std::ranges::find(members, interpreter), members.end()) << folder;
  }
  for (const auto& guard : (*sandbox)->Guards()) {
    if (guard.name.starts_with("cgroup")) {
      EXPECT_TRUE(guard.active) << guard.detail;
    }
  }
  sandbox->reset();
  for (const auto& folder : folders) EXPECT_FALSE(fs::exists(folder)) << folder;
}

// The limits are the kernel's: no more steps than the group may hold processes, and the sandbox goes on.
TEST_F(DividedGroup, BoundsTheProcesses) {
  auto sandbox = Sandbox::Start(options_);
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  EXPECT_EQ((*sandbox)->Run({{}, {"x = 1", 1}}).verdict, Verdict::kOk);
  for (const auto& folder : Groups()) {
    const fs::path limit = folder / "pids.max";
    if (!fs::exists(limit)) continue;
    std::ofstream(limit) << Members(folder).size();
  }
  const auto refused = (*sandbox)->Run({{}, {"x = 2", 2}});
  EXPECT_EQ(refused.verdict, Verdict::kInternal);
  EXPECT_NE(refused.error.find("could not be forked"), std::string::npos) << refused.error;
  for (const auto& folder : Groups()) {
    if (fs::exists(folder / "pids.max")) std::ofstream(folder / "pids.max") << "max";
  }
  EXPECT_EQ((*sandbox)->Run({{}, {"x = 3", 3}}).verdict, Verdict::kOk);
}

}  // namespace
}  // namespace orrery::sandbox
