// SPDX-License-Identifier: Apache-2.0
#include "sandbox/attacks.h"

#include <gtest/gtest.h>

#include "base/paths.h"

namespace orrery::sandbox {
namespace {

TEST(Attacks, EachGetsItsVerdictAndNoneGetsOut) {
  const auto folder = DataFile("sandbox/attacks");
  ASSERT_TRUE(folder.ok()) << folder.status();
  const auto attacks = LoadAttacks(*folder);
  ASSERT_TRUE(attacks.ok()) << attacks.status();
  EXPECT_GE(attacks->size(), 80U);
  auto sandbox = Sandbox::Start(AttackOptions());
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  for (const auto& attack : *attacks) {
    const auto result = RunAttack(**sandbox, attack);
    EXPECT_EQ(Name(result.verdict), Name(attack.expected))
        << attack.name << " (" << attack.what << "): " << result.error;
    EXPECT_FALSE(result.escaped) << attack.name << " (" << attack.what << "): " << result.output.substr(0, 1000);
  }
}

// The state of another program in the same sandbox, a paused interpreter beside the one that is attacked: it goes on as
// if nothing had been, and need not be made again.
TEST(Attacks, NeighboursKeepTheirState) {
  const auto folder = DataFile("sandbox/attacks");
  ASSERT_TRUE(folder.ok()) << folder.status();
  const auto attacks = LoadAttacks(*folder);
  ASSERT_TRUE(attacks.ok()) << attacks.status();
  SandboxOptions options = AttackOptions();
  options.snapshot_count = 16;
  auto sandbox = Sandbox::Start(options);
  ASSERT_TRUE(sandbox.ok()) << sandbox.status();
  size_t retired = 0;
  for (size_t i = 0; i < attacks->size(); ++i) {
    const Attack& attack = (*attacks)[i];
    // Its own number, so that no earlier neighbour's state will do.
    const Step first{"kept = {" + std::to_string(i) + ": list(range(5))}\nprint(len(kept))", i};
    ASSERT_EQ((*sandbox)->Run({{}, first}).output, "1\n") << attack.name;
    bool poisoned = false;
    for (const StepResult& result : RunProgram(**sandbox, attack.steps, 7)) poisoned |= !result.poisoned.empty();
    const StepResult after = (*sandbox)->Run({{first}, {"kept[9] = sum(kept.popitem()[1])\nprint(kept)", 3}});
    EXPECT_EQ(after.verdict, Verdict::kOk) << attack.name << ": " << after.error;
    EXPECT_EQ(after.output, "{9: 10}\n") << attack.name;
    retired += poisoned ? 1 : 0;
    if (!poisoned) {
      EXPECT_EQ(after.steps_executed, 1) << attack.name << " cost a neighbour its state";
    }
  }
  EXPECT_LE(retired, 3U) << "interpreters that a hostile step wore out";
}

TEST(Attacks, AFileWithoutAnExpectationIsAnError) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / "attacks";
  std::filesystem::create_directories(folder);
  ASSERT_TRUE(WriteFileAtomically(folder / "a.py", "# says nothing\nprint(1)\n").ok());
  EXPECT_EQ(LoadAttacks(folder).status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(WriteFileAtomically(folder / "a.py", "# expected: bad-luck\nprint(1)\n").ok());
  EXPECT_NE(Message(LoadAttacks(folder).status()).find("bad-luck"), std::string::npos);
}

}  // namespace
}  // namespace orrery::sandbox
