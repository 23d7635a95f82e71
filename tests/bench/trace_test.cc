// SPDX-License-Identifier: Apache-2.0
#include "bench/trace.h"

#include <gtest/gtest.h>

#include <fstream>

#include "model/tokenizer/byte_tokenizer.h"
#include "tests/model/models.h"
#include "tests/store/made_tree.h"

namespace orrery::bench {
namespace {

const model::ByteTokenizer kTokenizer;

std::string TextOf(const WorkGroup& group) { return kTokenizer.Decode(group.tokens); }

TEST(Trace, ExpansionsComeInTheOrderOfTheRollouts) {
  const auto tree = store::MadeTree("p");
  const auto groups = TreeRequests(*tree, kTokenizer, kTokenizer.Encode("Q:", model::SpecialTokens::kPlain), 0);
  ASSERT_TRUE(groups.ok()) << groups.status();
  // Rollouts end at the nodes 3, 9, 6 and 4: paths 0/0/0, 2/0/0, 0/2/0, 0/0/1.
  ASSERT_EQ(groups->size(), 6u);
  const std::string first = "Q:# Think about pairs of boxes and count all of them\nx = 4\n<end_of_step>\n";
  const std::string other = "Q:# Add instead, which is not what was asked\ny = 3 + 4\n<end_of_step>\n";
  EXPECT_EQ(TextOf((*groups)[0]), "Q:");
  EXPECT_EQ(TextOf((*groups)[1]), first);
  EXPECT_EQ(TextOf((*groups)[2]), first +
                                      "# Square the number of boxes in one row\nprint(x * x)\n<end_of_code>\n"
                                      "<output>16<end_of_output>\n<answer>");
  EXPECT_EQ(TextOf((*groups)[3]), other);
  EXPECT_EQ(TextOf((*groups)[4]), other + "print(y)\n<end_of_code>\n<output>7<end_of_output>\n<answer>");
  EXPECT_TRUE(TextOf((*groups)[5]).starts_with(first + "# By the power operator")) << TextOf((*groups)[5]);
  const auto two = TreeRequests(*tree, kTokenizer, {}, 2);
  ASSERT_TRUE(two.ok());
  EXPECT_EQ(two->size(), 2u);
}

store::TreeChunk TreeOfLengths(int rollout_node) {
  flatbuffers::FlatBufferBuilder builder;
  const std::vector<flatbuffers::Offset<schema::Expansion>> expansions = {store::AddExpansion(
      builder, "p", {},
      {{.text = "a", .merged = 3, .tokens = 31}, {.text = "b", .valid = false, .tokens = 256}, {.text = "c"}})};
  const std::vector<flatbuffers::Offset<schema::TreeNode>> nodes = {schema::CreateTreeNode(builder, -1, 0, 0)};
  const std::vector<flatbuffers::Offset<schema::Rollout>> rollouts = {schema::CreateRollout(builder, rollout_node, -1)};
  builder.Finish(
      schema::CreateTreeRecordDirect(builder, "p", "What is 1 + 1?", "2", "plain", "", &nodes, &expansions, &rollouts));
  return store::TreeChunk(std::move(builder));
}

TEST(Trace, SamplesOfOneTextWereEquallyLong) {
  const auto tree = TreeOfLengths(0);
  const auto groups = TreeRequests(*tree, kTokenizer, {}, 0);
  ASSERT_TRUE(groups.ok()) << groups.status();
  ASSERT_EQ(groups->size(), 1u);
  EXPECT_EQ((*groups)[0].lengths, (std::vector<int>{10, 10, 10, 256, 1}));
}

TEST(Trace, ARolloutThatEndsNowhereIsCorrupt) {
  const auto tree = TreeOfLengths(7);
  const auto groups = TreeRequests(*tree, kTokenizer, {}, 0);
  ASSERT_EQ(groups.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(groups.status().message().find("node 7; expected 0 to 0"), std::string::npos) << groups.status();
}

TEST(Trace, ARunsFolderBecomesAWorkload) {
  const store::TemporaryFolder folder;
  std::ofstream(folder.path() / "config.json") << R"({"search": {"prompt": "chatml"}})";
  {
    auto store = store::Store::Open(folder.path() / "store", "f", "{}");
    ASSERT_TRUE(store.ok()) << store.status();
    (*store)->PutTree("a", store::MadeTree("a", "How many?"));
    (*store)->PutTree("b", store::MadeUnsolvedTree("b"));
    ASSERT_TRUE((*store)->Commit().ok());
  }
  auto file = model::OpenModel(model::kSmolLm);
  ASSERT_TRUE(file.ok()) << file.status();
  const auto source = model::FromGguf(std::move(*file));
  const auto tokenizer = source->ReadTokenizer();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto workload = ReadTrace({.run = folder.path()}, {tokenizer->get(), 1}, *source);
  ASSERT_TRUE(workload.ok()) << workload.status();
  ASSERT_EQ(workload->groups.size(), 8u);
  std::vector<int> after;
  for (const WorkGroup& group : workload->groups) after.push_back(group.after);
  EXPECT_EQ(after, (std::vector<int>{-1, 0, 1, 2, 3, 4, -1, 6}));
  const std::string prompt = (*tokenizer)->Decode(workload->groups[0].tokens);
  EXPECT_NE(prompt.find("How many?"), std::string::npos) << prompt;
  EXPECT_TRUE(prompt.ends_with("<code>\n")) << prompt;
  const auto one = ReadTrace({.run = folder.path(), .trees = 1, .expansions = 3}, {tokenizer->get(), 1001}, *source);
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->groups.size(), 3u);
  EXPECT_NE(one->groups[0].tokens, workload->groups[0].tokens) << "another salt";
}

}  // namespace
}  // namespace orrery::bench
