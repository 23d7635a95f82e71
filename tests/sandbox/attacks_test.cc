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
