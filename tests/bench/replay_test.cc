// SPDX-License-Identifier: Apache-2.0
#include "bench/replay.h"

#include <gtest/gtest.h>

#include <utility>

#include "tests/model/models.h"

namespace orrery::bench {
namespace {

class ReplayTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const auto registry = model::Registry::Load();
    ASSERT_TRUE(registry.ok()) << registry.status();
    const auto path = LocateModel(*registry, model::kSmolLm);
    ASSERT_TRUE(path.ok()) << path.status();
    auto engine = model::Engine::Load(*path, {.threads = 2, .kv_bytes = uint64_t{256} << 20});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = engine->release();
  }
  static void TearDownTestSuite() { delete std::exchange(engine_, nullptr); }
  void SetUp() override { ASSERT_NE(engine_, nullptr); }

  static model::Engine* engine_;
};

model::Engine* ReplayTest::engine_ = nullptr;

TEST_F(ReplayTest, ATreeIsWrittenWholeAndItsPrefixesReadOnce) {
  const Workload tree = WorkMaker{&engine_->tokenizer(), 1}.Tree(2, 100, 3, 6, 2);
  uint64_t rows = 0, sampled = 0;
  const auto played = Replay(*engine_, tree, 1, [&](uint64_t batch, uint64_t tokens) {
    rows += batch;
    sampled += tokens;
  });
  ASSERT_TRUE(played.ok()) << played.status();
  EXPECT_EQ(played->new_tokens, NewTokens(tree));
  EXPECT_GE(sampled, played->new_tokens);
  EXPECT_EQ(rows, played->rows);
  EXPECT_GT(played->seconds, 0);
  // Two prompts of 100, each asked for three times; then the same with six new tokens and a few of text behind.
  const size_t text = tree.groups.back().tokens.size();
  EXPECT_EQ(played->prompt_tokens, 3 * 2 * (100 + 100 + 6 + text));
  EXPECT_LT(played->rows, played->prompt_tokens) << "siblings share what their prompt computed";
}

TEST_F(ReplayTest, ASampleGoesOnAfterTheEndOfText) {
  const auto prompt = engine_->tokenizer().Encode("<|im_start|>user\nSay yes or no.<|im_end|>\n<|im_start|>assistant\n",
                                                  model::SpecialTokens::kParse);
  const Workload workload{.groups = {{.tokens = prompt, .lengths = {60, 60}}}};
  const uint64_t before = engine_->Counters().requests;
  const auto played = Replay(*engine_, workload, 1);
  ASSERT_TRUE(played.ok()) << played.status();
  EXPECT_EQ(played->new_tokens, 120u);
  EXPECT_GT(engine_->Counters().requests - before, 2u) << "no sample met the end of text: the test shows nothing";
}

TEST_F(ReplayTest, APromptThatDoesNotFitIsAnError) {
  const int context = engine_->context_length();
  const Workload workload{
      .groups = {{.tokens = std::vector<model::TokenId>(static_cast<size_t>(context), 5), .lengths = {1}}}};
  const auto played = Replay(*engine_, workload, 1);
  ASSERT_FALSE(played.ok());
  EXPECT_NE(played.status().message().find("do not fit"), std::string::npos) << played.status();
}

}  // namespace
}  // namespace orrery::bench
