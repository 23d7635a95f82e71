// SPDX-License-Identifier: Apache-2.0
// Which of a file's lines a training learns.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "model/tokenizer/byte_tokenizer.h"
#include "runners/training/data.h"

namespace orrery::runners {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

Json Trajectory(const std::string& problem, const std::string& question, const std::string& solution) {
  return {{"problem", problem}, {"question", question}, {"prompt", question}, {"completion", "<code>\n" + solution}};
}

class TrainingDataTest : public ::testing::Test {
 protected:
  ~TrainingDataTest() override { fs::remove(file_); }

  TrainingData Load(const std::vector<Json>& lines, std::vector<schema::KeyValue> settings = {}) {
    std::ofstream out(file_);
    for (const Json& line : lines) out << line.dump() << "\n";
    out.close();
    settings.push_back({"train.data", file_.string()});
    settings.push_back({"train.validation", "0"});
    const auto config = schema::ParseConfig("{}", "test", settings);
    EXPECT_TRUE(config.ok()) << config.status();
    auto data = LoadTrainingData(*(*config)->train(), 1, tokenizer_, true);
    EXPECT_TRUE(data.ok()) << data.status();
    return data.ok() ? *std::move(data) : TrainingData();
  }

  // The solutions that are learnt, in order.
  std::vector<std::string> Learnt(const TrainingData& data) const {
    std::vector<std::string> texts;
    for (const auto& example : data.learnt) {
      std::string text;
      for (size_t i = static_cast<size_t>(example.prompt); i + 1 < example.tokens.size(); ++i)
        text += tokenizer_.Bytes(example.tokens[i]);
      texts.push_back(text);
    }
    return texts;
  }

  model::ByteTokenizer tokenizer_;
  fs::path file_ = fs::path(testing::TempDir()) / ("training_data" + std::to_string(getpid()) + ".jsonl");
};

TEST_F(TrainingDataTest, DoubtfulSyntheticProblemsAreLeftOut) {
  const auto line = [](const std::string& source, double share) {
    Json json = Trajectory(source + std::to_string(share), source + "?", "x = 1\n");
    json["source"] = source;
    json["right_share"] = share;
    return json;
  };
  const std::vector<Json> lines = {line("gsm8k", 0.1), line("synthetic", 0.4), line("synthetic_math", 0.5),
                                   Trajectory("plain", "plain?", "x = 1\n")};
  const TrainingData data = Load(lines);
  EXPECT_EQ(data.noise, 1u);
  EXPECT_EQ(data.learnt.size(), 3u);
  EXPECT_EQ(Load(lines, {{"train.synthetic_right", "0.3"}}).noise, 0u);
  EXPECT_EQ(Load(lines, {{"train.synthetic_sources", "gsm8k"}}).noise, 1u);
}

TEST_F(TrainingDataTest, AnOpeningTellsWhichPromptASolutionFollows) {
  Json words = Trajectory("w", "How many?", "");
  words["completion"] = "<reasoning>\nIt is \\boxed{5}.\n<end_of_answer>\n";
  const TrainingData data = Load({Trajectory("c", "How much?", "x = 1\n"), words});
  ASSERT_EQ(data.learnt.size(), 2u);
  const auto prompt = [&](size_t i) {
    const auto& example = data.learnt[i];
    std::string text;
    for (int t = 0; t < example.prompt; ++t) text += tokenizer_.Bytes(example.tokens[static_cast<size_t>(t)]);
    return text;
  };
  EXPECT_TRUE(
      prompt(0).ends_with("How many?\n<|assistant|>: Let's think step by step and solve the problem.<reasoning>\n"))
      << prompt(0);
  EXPECT_TRUE(prompt(1).ends_with(
      "How much?\n<|assistant|>: Let's think step by step and solve the problem with code.<code>\n"))
      << prompt(1);
  EXPECT_EQ(Learnt(data), (std::vector<std::string>{"It is \\boxed{5}.\n<end_of_answer>\n", "x = 1\n"}));
}

TEST_F(TrainingDataTest, CopiesOfAProblemAreOneQuestionAndTheChoiceRanksThem) {
  std::vector<Json> lines;
  for (int i = 0; i < 5; ++i) {
    Json line = Trajectory("p/" + std::to_string(i + 1), "How many?", "x = " + std::to_string(i) + "\n");
    line["mean_q"] = i == 1 ? 0.9 : 0.1;
    line["min_q"] = i == 4 ? 0.1 : 0.0;
    line["score"] = 0.1 * i;
    lines.push_back(line);
  }
  EXPECT_EQ(Learnt(Load(lines)), (std::vector<std::string>{"x = 1\n", "x = 4\n"}));
  EXPECT_EQ(Learnt(Load(lines, {{"train.choice", "score"}})), (std::vector<std::string>{"x = 4\n", "x = 3\n"}));
  const auto drawn = Learnt(Load(lines, {{"train.choice", "sampled"}}));
  EXPECT_EQ(drawn.size(), 2u);
  EXPECT_EQ(Learnt(Load(lines, {{"train.choice", "sampled"}})), drawn) << "a function of the seed";
  EXPECT_EQ(Load(lines).left_out, 3u);
}

}  // namespace
}  // namespace orrery::runners
