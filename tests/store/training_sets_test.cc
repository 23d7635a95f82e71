// SPDX-License-Identifier: Apache-2.0
#include "store/training_sets.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "store/convert.h"
#include "tests/store/made_tree.h"

namespace orrery::store {
namespace {

using Json = nlohmann::ordered_json;

SetOptions Options(SetFormat format, int per_problem = 0, bool messages = false) {
  SetOptions options;
  options.format = format;
  options.per_problem = per_problem;
  options.messages = messages;
  options.texts.fingerprint = "f1";
  options.texts.prompt = [](const std::string& question, reasoning::StepForm) {
    return "Q: " + question + "\n<code>\n";
  };
  return options;
}

std::vector<Json> Rows(const TreeChunk& tree, const SetOptions& options) {
  std::vector<Json> rows;
  for (const std::string& row : RowsOf("b", *tree, ToSearchTree(*tree).value(), options)) {
    EXPECT_EQ(row.find('\n'), std::string::npos);
    rows.push_back(Json::parse(row));
  }
  // Every row has the fields that the columns name, in their order, of their types.
  const auto columns = ColumnsOf(options.format, options.messages);
  for (const Json& row : rows) {
    size_t i = 0;
    EXPECT_EQ(row.size(), columns.size()) << row;
    for (const auto& [name, value] : row.items()) {
      EXPECT_EQ(name, columns[i].name);
      const std::string_view type = columns[i].type;
      EXPECT_EQ(value.is_string(), type == "string") << name;
      EXPECT_EQ(value.is_boolean(), type == "bool") << name;
      EXPECT_EQ(value.is_number_integer(), type == "int64") << name;
      EXPECT_EQ(value.is_number_float(), type == "double") << name;
      EXPECT_EQ(value.is_array(), type.starts_with("list<")) << name;
      EXPECT_FALSE(columns[i].meaning.empty());
      ++i;
    }
  }
  return rows;
}

constexpr const char* kBest =
    "<code>\n# Think about pairs of boxes and count all of them\nx = 4\n<end_of_step>\n"
    "# By the power operator, as a floating-point number\nprint(float(x) ** 2)\n<end_of_code>\n"
    "<output>16.0<end_of_output>\n<answer>From the result, \\boxed{16}\n<end_of_answer>\n";

TEST(Sft, PromptsAndCompletionsOfTheBestRightTrajectories) {
  const auto rows = Rows(MadeTree("b#1"), Options(SetFormat::kSft));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["problem"], "b");
  EXPECT_EQ(rows[0]["source"], "plain");
  EXPECT_EQ(rows[0]["licence"], "") << "the file named none";
  EXPECT_EQ(rows[0]["prompt"], "Q: How many?\n");
  EXPECT_EQ(rows[0]["completion"], kBest);
  EXPECT_EQ(rows[0]["answer"], "16");
  EXPECT_DOUBLE_EQ(rows[0]["mean_q"], 7.0 / 9);
  EXPECT_EQ(Rows(MadeTree("b#1"), Options(SetFormat::kSft, 1)).size(), 1U);
  EXPECT_TRUE(Rows(MadeUnsolvedTree("b#1"), Options(SetFormat::kSft)).empty());
}

TEST(Sft, AsMessages) {
  const auto rows = Rows(MadeTree("b#1"), Options(SetFormat::kSft, 0, true));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["messages"],
            Json::parse(R"([{"role": "user", "content": "How many?"}, {"role": "assistant", "content": ""}])")
                .patch({{{"op", "replace"}, {"path", "/1/content"}, {"value", kBest}}}));
  EXPECT_FALSE(rows[0].contains("prompt"));
}

TEST(Kto, EveryTrajectoryWithItsLabel) {
  const auto rows = Rows(MadeTree("b#1"), Options(SetFormat::kKto));
  ASSERT_EQ(rows.size(), 4U);
  // Right ones from the best, then wrong ones from the worst.
  EXPECT_EQ(rows[0]["completion"], kBest);
  EXPECT_EQ(rows[0]["label"], true);
  EXPECT_EQ(rows[1]["label"], true);
  EXPECT_EQ(rows[2]["label"], false);
  EXPECT_DOUBLE_EQ(rows[2]["mean_q"], -1);
  EXPECT_GT(rows[3]["mean_q"].get<double>(), -1);
  EXPECT_EQ(Rows(MadeTree("b#1"), Options(SetFormat::kKto, 1)).size(), 2U) << "one of each";
}

TEST(Stepwise, StepsJoinToTheTextAndAreRightWhereARightAnswerLiesBelow) {
  const auto rows = Rows(MadeTree("b#1"), Options(SetFormat::kStepwise));
  const auto whole = Rows(MadeTree("b#1"), Options(SetFormat::kKto));
  ASSERT_EQ(rows.size(), 4U);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::string joined;
    for (const Json& step : rows[i]["completions"]) joined += step.get<std::string>();
    EXPECT_EQ(joined, whole[i]["completion"]);
    EXPECT_EQ(rows[i]["right"], whole[i]["label"]);
    EXPECT_EQ(rows[i]["q"].size(), rows[i]["labels"].size());
  }
  EXPECT_EQ(rows[0]["completions"].size(), 3U);
  EXPECT_EQ(rows[0]["completions"][2],
            "<output>16.0<end_of_output>\n<answer>From the result, \\boxed{16}\n<end_of_answer>\n");
  EXPECT_EQ(rows[0]["labels"], Json({true, true, true}));
  EXPECT_EQ(rows[2]["labels"], Json({false, false, false}));  // the branch of 7 alone
  // The wrong answer after steps that also led to a right one.
  EXPECT_EQ(rows[3]["labels"], Json({true, true, false}));
  EXPECT_EQ(rows[3]["q"], Json({1.0 / 3, 0.0, -1.0}));
}

TEST(Preferences, AreThoseOfTheCampaign) {
  const auto rows = Rows(MadeTree("b#1"), Options(SetFormat::kPreferences));
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows[0]["prompt"], "Q: How many?\n<code>\n");
  EXPECT_EQ(rows[0]["rejected"], "# Add instead, which is not what was asked\ny = 3 + 4\n<end_of_step>\n");
  EXPECT_EQ(rows[2]["whole"], true);
}

}  // namespace
}  // namespace orrery::store
