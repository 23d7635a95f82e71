// SPDX-License-Identifier: Apache-2.0
#include "store/export.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/paths.h"
#include "store/convert.h"
#include "store/summary.h"
#include "tests/store/made_tree.h"

namespace orrery::store {
namespace {

using Json = nlohmann::ordered_json;

class Exports : public testing::Test {
 protected:
  void SetUp() override {
    store_ = Store::Open(folder_.path() / "store", "f1", "{}").value();
    store_->PutTree("b#1", MadeTree("b#1"));
    store_->PutTree("a#2", MadeUnsolvedTree("a#2"));
    ASSERT_TRUE(store_->Commit().ok());
  }
  ExportOptions Options() {
    ExportOptions options;
    options.fingerprint = "f1";
    options.prompt = [](const std::string& question, reasoning::StepForm) { return "Q: " + question + "\n"; };
    return options;
  }
  StatusOr<ExportCounts> Export(const ExportOptions& options) {
    return ExportTraining(*store_, names_, options, Trajectories(), Preferences());
  }
  std::filesystem::path Trajectories() { return folder_.path() / "trajectories.jsonl"; }
  std::filesystem::path Preferences() { return folder_.path() / "preferences.jsonl"; }
  static std::vector<Json> Lines(const std::filesystem::path& path) {
    std::vector<Json> lines;
    std::istringstream text(ReadFile(path).value());
    for (std::string line; std::getline(text, line);) lines.push_back(Json::parse(line));
    return lines;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Store> store_;
  const std::vector<ProblemName> names_ = {{"b", "b#1"}, {"unfinished", "u#3"}, {"a", "a#2"}};
};

TEST_F(Exports, BestTrajectoriesAsPromptAndCompletion) {
  const auto counts = Export(Options());
  ASSERT_TRUE(counts.ok()) << Message(counts.status());
  EXPECT_EQ(counts->problems, 2u);
  EXPECT_EQ(counts->trajectories, 2u);
  const std::vector<Json> lines = Lines(Trajectories());
  ASSERT_EQ(lines.size(), 2u);
  // Q: node 1 = 1/3, 5 = 1, 6 = 1: mean 7/9. The other right one: 1/3, 0, 1.
  EXPECT_EQ(lines[0]["problem"], "b");
  EXPECT_EQ(lines[0]["prompt"], "Q: How many?\n");
  EXPECT_EQ(lines[0]["completion"],
            "<code>\n# Think about pairs of boxes and count all of them\nx = 4\n<end_of_step>\n"
            "# By the power operator, as a floating-point number\nprint(float(x) ** 2)\n<end_of_code>\n"
            "<output>16.0<end_of_output>\n<answer>From the result, \\boxed{16}\n<end_of_answer>\n");
  EXPECT_EQ(lines[0]["answer"], "16");
  EXPECT_DOUBLE_EQ(lines[0]["mean_q"], 7.0 / 9);
  EXPECT_DOUBLE_EQ(lines[0]["min_q"], 1.0 / 3);
  EXPECT_EQ(lines[0]["steps"], 3);
  EXPECT_EQ(lines[0]["failed_steps"], 0);
  EXPECT_EQ(lines[0]["fingerprint"], "f1");
  EXPECT_EQ(lines[0]["level"], "easy level");
  EXPECT_DOUBLE_EQ(lines[1]["mean_q"], 4.0 / 9);
}

TEST_F(Exports, PreferencePairsOnOnePrefixAndWhole) {
  ASSERT_TRUE(Export(Options()).ok());
  const std::vector<Json> lines = Lines(Preferences());
  // 1 > 7 on the root (1/3 against −1); 5 > 2 on 1 (1 against 0); whole: {6, 3} × {9, 4}, of which 3 and 4 hardly
  // differ as texts.
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0]["prompt"], "Q: How many?\n<code>\n");
  EXPECT_EQ(lines[0]["chosen"], "# Think about pairs of boxes and count all of them\nx = 4\n<end_of_step>\n");
  EXPECT_EQ(lines[0]["rejected"], "# Add instead, which is not what was asked\ny = 3 + 4\n<end_of_step>\n");
  EXPECT_EQ(lines[0]["whole"], false);
  EXPECT_EQ(lines[1]["prompt"],
            "Q: How many?\n<code>\n# Think about pairs of boxes and count all of them\nx = 4\n<end_of_step>\n");
  EXPECT_EQ(lines[1]["q_chosen"], 1.0);
  EXPECT_EQ(lines[1]["q_rejected"], 0.0);
  EXPECT_EQ(lines[2]["whole"], true);
  EXPECT_EQ(lines[2]["prompt"], "Q: How many?\n");
  EXPECT_TRUE(lines[2]["chosen"].get<std::string>().starts_with("<code>\n# Think")) << lines[2];
  EXPECT_TRUE(lines[2]["rejected"].get<std::string>().ends_with(
      "<output>7<end_of_output>\n<answer>From the result, \\boxed{7}\n<end_of_answer>\n"))
      << lines[2];
  for (const Json& line : lines) EXPECT_GT(line["q_chosen"].get<double>(), line["q_rejected"].get<double>());
}

TEST_F(Exports, APromptThatEndsWithCodeIsNotDoubled) {
  ExportOptions options = Options();
  ASSERT_TRUE(Export(options).ok());
  const std::string trajectories = ReadFile(Trajectories()).value(), preferences = ReadFile(Preferences()).value();
  options.prompt = [](const std::string& question, reasoning::StepForm) { return "Q: " + question + "\n<code>\n"; };
  ASSERT_TRUE(Export(options).ok());
  EXPECT_EQ(ReadFile(Trajectories()).value(), trajectories);
  EXPECT_EQ(ReadFile(Preferences()).value(), preferences);
}

TEST_F(Exports, SameBytesAgainAndAfterReopening) {
  ASSERT_TRUE(Export(Options()).ok());
  const std::string before = ReadFile(Trajectories()).value() + ReadFile(Preferences()).value(),
                    digest = Digest(*store_, names_).value();
  store_.reset();
  store_ = Store::Open(folder_.path() / "store", "f1", "{}").value();
  ASSERT_TRUE(Export(Options()).ok());
  EXPECT_EQ(ReadFile(Trajectories()).value() + ReadFile(Preferences()).value(), before);
  EXPECT_EQ(Digest(*store_, names_).value(), digest);
}

TEST_F(Exports, DigestSeesContentNamesAndOrder) {
  const std::string digest = Digest(*store_, names_).value();
  EXPECT_EQ(digest.size(), 64u);
  EXPECT_NE(Digest(*store_, {names_[2], names_[0]}).value(), digest);
  EXPECT_NE(Digest(*store_, {names_[0]}).value(), digest);
  EXPECT_EQ(Digest(*store_, {names_[0], names_[2]}).value(), digest);  // an unfinished problem is not in it
  store_->PutTree("b#1", MadeTree("b#1", "How few?"));
  ASSERT_TRUE(store_->Commit().ok());
  EXPECT_NE(Digest(*store_, names_).value(), digest);
}

TEST_F(Exports, SummaryCountsTheRecords) {
  Summary summary = Summarise(*store_, names_, "f1").value();
  EXPECT_EQ(summary.problems, 3u);
  EXPECT_EQ(summary.finished, 2u);
  EXPECT_EQ(summary.solved, 1u);
  EXPECT_EQ(summary.rollouts, 5u);
  EXPECT_EQ(summary.expansions, 8u);
  EXPECT_EQ(summary.candidates, 15u);  // 3 + 2 merged away, 3, 2, 1, 1, 1; and 1, 1
  EXPECT_EQ(summary.valid_candidates, 11u);
  EXPECT_EQ(summary.tokens_generated, 225u);
  EXPECT_EQ(summary.time_outs, 1u);
  EXPECT_EQ(summary.grader_time_outs, 1u);
  EXPECT_EQ(summary.medium, 1u);
  EXPECT_EQ(summary.hard, 1u);
  EXPECT_EQ(summary.digest, Digest(*store_, names_).value());

  summary.model = "a model";
  summary.seed = 18446744073709551615u;
  summary.version = "0.1";
  summary.measured = {.seconds = 1.5,
                      .tokens_per_second = 150,
                      .mean_batch_rows = 16.25,
                      .peak_rss_bytes = 1,
                      .cpu = "cpu",
                      .threads = 2};
  ASSERT_TRUE(WriteSummary(summary, folder_.path() / "summary.json").ok());
  const Json json = Json::parse(ReadFile(folder_.path() / "summary.json").value());
  for (const char* key :
       {"fingerprint", "digest", "problems", "solved", "rollouts", "expansions", "candidates", "tokens_generated",
        "steps_executed", "environmental_verdicts", "model", "seed", "version", "measured"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["seed"], 18446744073709551615u);
  EXPECT_EQ(json["environmental_verdicts"]["time_out"], 1);
  EXPECT_EQ(json["measured"]["mean_batch_rows"], 16.25);
}

TEST(Machine, HasMemoryAndAProcessor) {
  EXPECT_GT(PeakResidentBytes(), uint64_t{1} << 20);
  EXPECT_FALSE(ProcessorName().empty());
}

TEST(Convert, RecordAsTree) {
  const TreeChunk record = MadeTree("p");
  const search::Tree tree = ToSearchTree(*record).value();
  ASSERT_EQ(tree.nodes.size(), 10u);
  EXPECT_EQ(tree.nodes[5].parent, 1);
  EXPECT_EQ(tree.nodes[5].candidate, 2);
  EXPECT_TRUE(tree.nodes[6].right);
  EXPECT_FALSE(tree.nodes[4].right);
  EXPECT_EQ(tree.nodes[9].end, search::End::kAnswered);
  EXPECT_EQ(tree.nodes[7].text, record->expansions()->Get(0)->candidates()->Get(2)->text()->string_view());
  ASSERT_EQ(tree.rollouts.size(), 4u);

  // N and W of the record are what replaying its rollouts gives.
  search::Tree replayed = tree;
  search::Annotate(&replayed, search::Rules{});
  for (size_t i = 0; i < tree.nodes.size(); ++i) {
    EXPECT_EQ(replayed.nodes[i].visits, tree.nodes[i].visits) << i;
    EXPECT_EQ(replayed.nodes[i].value_sum, tree.nodes[i].value_sum) << i;
  }
}

TEST(Convert, AStepThatFailedPrintsNothing) {
  flatbuffers::FlatBufferBuilder builder;
  const std::vector<flatbuffers::Offset<schema::Expansion>> expansions = {
      AddExpansion(
          builder, "p", {},
          {{.text = "a\n", .output = "lost\n", .verdict = schema::Verdict::RuntimeError, .tolerated_errors = 1}}),
      AddExpansion(builder, "p", {0}, {{.text = "b\n", .kind = schema::StepKind::FinalCode, .output = "kept\n"}})};
  const std::vector<flatbuffers::Offset<schema::TreeNode>> nodes = {schema::CreateTreeNode(builder, -1, 0, 0),
                                                                    schema::CreateTreeNode(builder, 0, 0, 1),
                                                                    schema::CreateTreeNode(builder, 1, 0, -1)};
  builder.Finish(schema::CreateTreeRecordDirect(builder, "p", "q", "a", "s", "l", &nodes, &expansions));
  const TreeChunk record(std::move(builder));
  const search::Tree tree = ToSearchTree(*record).value();
  EXPECT_TRUE(tree.nodes[1].tolerated);
  EXPECT_EQ(SolutionText(*record, {1, 2}, 100), "a\nb\n<output>kept<end_of_output>\n<answer>");
}

TEST(Convert, IndicesThatMakeNoTreeAreRefused) {
  const auto with_nodes = [](const std::vector<std::array<int, 3>>& made, int rollout_node) {
    flatbuffers::FlatBufferBuilder builder;
    const std::vector<flatbuffers::Offset<schema::Expansion>> expansions = {
        AddExpansion(builder, "p", {}, {{.text = "a"}})};
    std::vector<flatbuffers::Offset<schema::TreeNode>> nodes;
    for (const auto& [parent, candidate, expansion] : made)
      nodes.push_back(schema::CreateTreeNode(builder, parent, static_cast<uint8_t>(candidate), expansion));
    const std::vector<flatbuffers::Offset<schema::Rollout>> rollouts = {
        schema::CreateRollout(builder, rollout_node, 1)};
    builder.Finish(schema::CreateTreeRecordDirect(builder, "p", "q", "a", "s", "l", &nodes, &expansions, &rollouts));
    const TreeChunk record(std::move(builder));
    return ToSearchTree(*record).status().code();
  };
  EXPECT_EQ(with_nodes({{-1, 0, 0}, {0, 0, -1}}, 1), absl::StatusCode::kOk);
  EXPECT_EQ(with_nodes({{-1, 0, 1}, {0, 0, -1}}, 1), absl::StatusCode::kDataLoss);  // no such expansion
  EXPECT_EQ(with_nodes({{-1, 0, 0}, {0, 1, -1}}, 1), absl::StatusCode::kDataLoss);  // no such candidate
  EXPECT_EQ(with_nodes({{-1, 0, -1}, {0, 0, -1}}, 1),
            absl::StatusCode::kDataLoss);  // a child of what was never expanded
  EXPECT_EQ(with_nodes({{-1, 0, 0}, {1, 0, -1}}, 1), absl::StatusCode::kDataLoss);  // its own parent
  EXPECT_EQ(with_nodes({{0, 0, 0}}, 0), absl::StatusCode::kDataLoss);               // the root has a parent
  EXPECT_EQ(with_nodes({{-1, 0, 0}}, 1), absl::StatusCode::kDataLoss);              // a rollout that ends nowhere
}

}  // namespace
}  // namespace orrery::store
