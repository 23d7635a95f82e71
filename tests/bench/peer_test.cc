// SPDX-License-Identifier: Apache-2.0
#include "bench/peer.h"

#include <gtest/gtest.h>

#include "base/paths.h"

namespace orrery::bench {
namespace {

class PeerTest : public testing::Test {
 protected:
  void SetUp() override { setenv("ORRERY_CACHE", testing::TempDir().c_str(), 1); }

  static StatusOr<std::unique_ptr<Peer>> Start(std::vector<std::string> settings = {}) {
    ORRERY_ASSIGN_OR_RETURN(const auto program, DataFile("tests/bench/adding_peer.py"));
    return Peer::Start({.name = "adding",
                        .program = program,
                        .python = "python3",
                        .model = "the-model.gguf",
                        .settings = std::move(settings)});
  }

  static std::string Log() { return ReadFile(CacheFolder() / "bench" / "adding.log").value_or(""); }
};

TEST_F(PeerTest, RunsAWorkloadInItsOrder) {
  const auto peer = Start();
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ((*peer)->version(), "the-model.gguf");
  Workload workload{.name = "tree",
                    .groups = {{.tokens = {1, 2}, .lengths = {2, 3}},
                               {.after = 0, .extends = 1, .tokens = {5}, .lengths = {1}},
                               {.tokens = {9}, .lengths = {1}}}};
  for (int repeat = 0; repeat < 2; ++repeat) {
    const auto answer = (*peer)->Run(workload);
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->new_tokens, 7u);
    EXPECT_EQ(answer->prompt_tokens, 2u + 2 + 6 + 1);
    EXPECT_GE(answer->seconds, 0);
  }
  // The second sample of the first group is 4, 5, 6; its continuation sees it.
  EXPECT_NE(Log().find("1 0 [1, 2, 4, 5, 6, 5] [23]"), std::string::npos) << Log();
}

TEST_F(PeerTest, SettingsReachItWithTheirTypes) {
  const auto peer = Start({"slots=8", "name=y", "on=false"});
  ASSERT_TRUE(peer.ok()) << peer.status();
  const auto answer = (*peer)->Run({.groups = {{.tokens = {1}, .lengths = {1}}}});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->settings, R"({"name":"y","on":false,"slots":8})");
}

TEST_F(PeerTest, AnUnknownSettingIsToldWithThoseThereAre) {
  const auto peer = Start({"slotz=8"});
  ASSERT_FALSE(peer.ok());
  EXPECT_NE(peer.status().message().find("slotz=8: no such setting; there are slots, name, on"), std::string::npos)
      << peer.status();
}

TEST_F(PeerTest, APythonThatIsNotThereIsTold) {
  const auto peer = Peer::Start({.name = "llama.cpp", .python = "/no/such/python3", .model = "m.gguf"});
  ASSERT_FALSE(peer.ok());
  EXPECT_EQ(peer.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(peer.status().message().find("/no/such/python3"), std::string::npos) << peer.status();
}

TEST_F(PeerTest, HowItEndedIsTold) {
  const auto peer = Start();
  ASSERT_TRUE(peer.ok()) << peer.status();
  const auto answer = (*peer)->Run({.groups = {{.tokens = {666}, .lengths = {1}}}});
  ASSERT_FALSE(answer.ok());
  EXPECT_NE(answer.status().message().find("exit code 1"), std::string::npos) << answer.status();
  EXPECT_NE(answer.status().message().find("a prompt that nobody can bear"), std::string::npos) << answer.status();
  EXPECT_FALSE((*peer)->Run({.groups = {{.tokens = {1}, .lengths = {1}}}}).ok());
}

TEST_F(PeerTest, FewerTokensThanAskedForAreAnError) {
  const auto peer = Start();
  ASSERT_TRUE(peer.ok()) << peer.status();
  const auto answer = (*peer)->Run({.groups = {{.tokens = {13}, .lengths = {3}}}});
  ASSERT_FALSE(answer.ok());
  EXPECT_NE(answer.status().message().find("wrote 2 tokens, 3 were asked for"), std::string::npos) << answer.status();
}

}  // namespace
}  // namespace orrery::bench
