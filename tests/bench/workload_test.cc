// SPDX-License-Identifier: Apache-2.0
#include "bench/workload.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "model/tokenizer/byte_tokenizer.h"

namespace orrery::bench {
namespace {

const model::ByteTokenizer kTokenizer;

TEST(Workload, StreamsHaveNothingInCommonBeyondAFewTokens) {
  const Workload flat = WorkMaker{&kTokenizer, 1}.Flat(32, 130, 144, 48);
  ASSERT_EQ(flat.groups.size(), 32u);
  EXPECT_EQ(flat.groups.front().tokens.size(), 130u);
  EXPECT_EQ(flat.groups.back().tokens.size(), 144u);
  std::set<std::vector<model::TokenId>> heads;
  for (const WorkGroup& group : flat.groups) {
    heads.emplace(group.tokens.begin(), group.tokens.begin() + 16);
    EXPECT_EQ(group.after, -1);
    EXPECT_EQ(group.lengths, std::vector<int>{48});
  }
  EXPECT_EQ(heads.size(), 32u);
  EXPECT_EQ(NewTokens(flat), 32u * 48);
}

TEST(Workload, AnotherSaltMakesOtherPrompts) {
  const Workload one = WorkMaker{&kTokenizer, 1}.Shared(8, 700, 10),
                 other = WorkMaker{&kTokenizer, 1001}.Shared(8, 700, 10);
  ASSERT_EQ(one.groups.size(), 1u);
  EXPECT_EQ(one.groups[0].tokens.size(), 700u);
  EXPECT_EQ(one.groups[0].lengths.size(), 8u);
  EXPECT_NE(one.groups[0].tokens, other.groups[0].tokens);
}

TEST(Workload, ATreeContinuesOneSampleOfTheLevelAbove) {
  const Workload tree = WorkMaker{&kTokenizer, 1}.Tree(4, 700, 8, 40, 3);
  ASSERT_EQ(tree.groups.size(), 12u);
  EXPECT_EQ(NewTokens(tree), 12u * 8 * 40);
  for (size_t i = 0; i < tree.groups.size(); ++i) {
    const WorkGroup& group = tree.groups[i];
    EXPECT_EQ(group.after, static_cast<int>(i) - 4 < 0 ? -1 : static_cast<int>(i) - 4);
    EXPECT_EQ(group.extends >= 0, group.after >= 0);
    EXPECT_LT(group.extends, 8);
  }
}

TEST(Workload, AsPeersReadIt) {
  Workload workload{.name = "x", .groups = {{.tokens = {1, 2}, .lengths = {9, 3}}, {.after = 0, .extends = 1}}};
  const auto json = nlohmann::json::parse(AsJson(Shortened(workload, 4)));
  EXPECT_EQ(json, nlohmann::json::parse(R"({"case": "x", "groups": [
      {"after": -1, "extends": -1, "tokens": [1, 2], "lengths": [4, 3]},
      {"after": 0, "extends": 1, "tokens": [], "lengths": []}]})"));
}

}  // namespace
}  // namespace orrery::bench
