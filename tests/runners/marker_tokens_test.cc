// SPDX-License-Identifier: Apache-2.0
// A training that gives its model the markers of a step as tokens: fewer tokens, rows that are learnt, a model whose
// tokenizer knows them, and the same weights after a kill.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/paths.h"
#include "model/source/hf_export.h"
#include "model/source/model_source.h"
#include "model/tokenizer/prompt_tokens.h"
#include "reasoning/step.h"
#include "tests/fresh.h"
#include "tests/model/tiny_model.h"
#include "tests/runners/program.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using model::TokenId;
using testing::HasSubstr;

constexpr int kVocabulary = 96;
constexpr const char* kSolution =
    "<code>\n# Step 1: add\ns = 2 + 3\n<end_of_step>\n# Now print it\nprint(s)\n<end_of_code>\n"
    "<output>5<end_of_output>\n<answer>\\boxed{5}\n<end_of_answer>\n";

fs::path SmallModel() {
  Json family = Json::parse(ReadFile(*DataFile("tests/model/golden/families.json")).value())["qwen2"];
  family["config"]["max_position_embeddings"] = 1024;
  model::TinyModel tiny(family["config"], family["tensors"]);
  tiny.tokenizer = model::CharacterTokenizer(kVocabulary);
  const fs::path folder = FreshPath("small_model");
  tiny.Write(folder);
  return folder;
}

fs::path Trajectories() {
  const fs::path path = FreshPath("trajectories.jsonl");
  std::ofstream file(path);
  for (int i = 0; i < 4; ++i) {
    const std::string question = "Is <end_of_step> a word of question " + std::to_string(i) + "?";
    file << Json{{"problem", std::to_string(i)}, {"question", question}, {"prompt", question},
                 {"completion", kSolution},      {"mean_q", 1.0},        {"min_q", 1.0}}
                .dump()
         << "\n";
  }
  return path;
}

std::vector<std::string> Arguments(const fs::path& model, const fs::path& data, const fs::path& out,
                                   const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"--model=" + model.string(), "--out=" + out.string()};
  std::vector<std::string> settings = {
      "train.data=" + data.string(), "train.epochs=3",        "train.batch=1",           "train.rate=1e-3",
      "train.validation=0",          "train.max_tokens=1024", "train.save_minutes=1e-9", "train.per_problem=1",
      "model.precision=float32"};
  settings.insert(settings.end(), more.begin(), more.end());
  for (const std::string& setting : settings) arguments.insert(arguments.end(), {"--set", setting});
  return arguments;
}

int TokensOfTheFirstStep(const fs::path& out) {
  std::ifstream metrics(out / "metrics.jsonl");
  std::string line;
  std::getline(metrics, line);
  return Json::parse(line)["tokens"];
}

std::vector<float> Row(const fs::path& folder, const char* tensor, TokenId row) {
  const auto source = model::ModelSource::Open(folder).value();
  const model::GgufTensor* found = source->Find(tensor);
  std::vector<float> values(found->shape[0]);
  model::Dequantise(*found, static_cast<uint64_t>(row) * values.size(), values.size(), values.data());
  return values;
}

TEST(MarkerTokens, AreLearntAndReadAndWrittenByTheTrainedModel) {
  const fs::path model = SmallModel(), data = Trajectories(), plain = FreshPath("plain"), marked = FreshPath("marked");
  const Ended without = RunProgram("runners/train", Arguments(model, data, plain, {}));
  ASSERT_EQ(without.code, 0) << without.errors;
  const Ended with = RunProgram("runners/train", Arguments(model, data, marked, {"train.marker_tokens=true"}));
  ASSERT_EQ(with.code, 0) << with.errors;
  EXPECT_FALSE(fs::exists(marked / "marked")) << "what was begun with is removed";

  // Characters are this model's tokens: each marker of the solution, and the prompt's <code>, is one in place of many.
  int saved = 0;
  for (const std::string_view marker :
       {reasoning::kCode, reasoning::kEndOfStep, reasoning::kEndOfCode, reasoning::kOutput, reasoning::kEndOfOutput,
        reasoning::kAnswer, reasoning::kEndOfAnswer})
    saved += static_cast<int>(marker.size()) - 1;
  EXPECT_EQ(TokensOfTheFirstStep(plain) - TokensOfTheFirstStep(marked), saved);

  const auto tokenizer = model::ModelSource::Open(marked / "model").value()->ReadTokenizer().value();
  std::vector<TokenId> step, question;
  model::AppendStep(*tokenizer, "x\n<end_of_step>", step);
  ASSERT_EQ(step.size(), 3u);
  EXPECT_EQ(tokenizer->Bytes(step.back()), reasoning::kEndOfStep);
  const reasoning::PromptPiece pieces[] = {{"<end_of_step>", false}};
  EXPECT_EQ(model::EncodePrompt(*tokenizer, pieces).size(), reasoning::kEndOfStep.size()) << "a user's words";

  // The rows began as a mean and are not it any more.
  const fs::path untrained = FreshPath("untrained");
  ASSERT_TRUE(model::ExportHfFolder(model, untrained, {.new_tokens = {std::string(reasoning::kEndOfStep)}}).ok());
  for (const char* tensor : {"token_embd.weight", "output.weight"}) {
    const auto begun = Row(untrained, tensor, kVocabulary), learnt = Row(marked / "model", tensor, step.back());
    ASSERT_EQ(begun.size(), learnt.size());
    EXPECT_NE(begun, learnt) << tensor;
    for (size_t i = 0; i < begun.size(); ++i) ASSERT_NEAR(begun[i], learnt[i], 0.05) << tensor;
  }

  // A model that has them gets none twice.
  const fs::path again = FreshPath("again");
  const Ended more =
      RunProgram("runners/train", Arguments(marked / "model", data, again, {"train.marker_tokens=true"}));
  ASSERT_EQ(more.code, 0) << more.errors;
  EXPECT_EQ(model::ModelSource::Open(again / "model").value()->Shape()->vocabulary,
            model::ModelSource::Open(marked / "model").value()->Shape()->vocabulary);
}

TEST(MarkerTokens, AKillChangesNothing) {
  const fs::path model = SmallModel(), data = Trajectories(), whole = FreshPath("whole"), killed = FreshPath("killed");
  const std::vector<std::string> settings = {"train.marker_tokens=true", "train.epochs=40"};
  const Ended undisturbed = RunProgram("runners/train", Arguments(model, data, whole, settings));
  ASSERT_EQ(undisturbed.code, 0) << undisturbed.errors;
  const Ended ended = RunProgram("runners/train", Arguments(model, data, killed, settings), {}, [&](int pid) {
    if (fs::exists(killed / "checkpoint" / "state.json")) kill(pid, SIGKILL);
  });
  ASSERT_EQ(ended.code, -SIGKILL) << ended.errors;
  const Ended second = RunProgram("runners/train", Arguments(model, data, killed, settings));
  ASSERT_EQ(second.code, 0) << second.errors;
  EXPECT_THAT(second.errors, HasSubstr("goes on after step"));
  EXPECT_EQ(Sha256HexOfFile(killed / "model" / "model.safetensors").value(),
            Sha256HexOfFile(whole / "model" / "model.safetensors").value());
  const Ended finished = RunProgram("runners/train", Arguments(model, data, whole, settings));
  EXPECT_THAT(finished.output, HasSubstr("is finished"));
}

TEST(MarkerTokens, WantTheirRowsToBeTrained) {
  const fs::path model = SmallModel(), data = Trajectories();
  for (const char* setting : {"train.freeze_embeddings=true", "train.lora_rank=4"}) {
    const Ended ended = RunProgram("runners/train",
                                   Arguments(model, data, FreshPath("refused"), {"train.marker_tokens=true", setting}));
    EXPECT_EQ(ended.code, 2);
    EXPECT_THAT(ended.errors, HasSubstr("train.marker_tokens: expected false beside"));
  }
}

}  // namespace
}  // namespace orrery
