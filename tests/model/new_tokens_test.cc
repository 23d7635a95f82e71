// SPDX-License-Identifier: Apache-2.0
// Tokens that a model gets in addition: one id each, rows that begin as the mean of what they were written with, and
// nothing else changed.
#include "model/source/new_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/paths.h"
#include "model/engine.h"
#include "model/source/hf_export.h"
#include "model/source/model_source.h"
#include "tests/model/tiny_model.h"

namespace orrery::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kVocabulary = 96;

fs::path Folder(const std::string& name) { return fs::path(testing::TempDir()) / ("new_tokens_" + name); }

void WriteModel(const fs::path& folder) {
  const Json family = Json::parse(ReadFile(*DataFile("tests/model/golden/families.json")).value())["qwen2"];
  TinyModel model(family["config"], family["tensors"]);
  model.tokenizer = CharacterTokenizer(kVocabulary);
  model.Write(folder);
}

std::vector<float> Row(const ModelSource& source, const char* tensor, uint64_t row) {
  const GgufTensor* found = source.Find(tensor);
  EXPECT_NE(found, nullptr);
  std::vector<float> values(found->shape[0]);
  Dequantise(*found, row * values.size(), values.size(), values.data());
  return values;
}

TEST(NewTokens, AModelGetsThem) {
  const fs::path plain = Folder("plain"), out = Folder("out");
  WriteModel(plain);
  fs::remove_all(out);
  const Status status = ExportHfFolder(plain, out, {.new_tokens = {"<end>", "A", "<go>", "<end>"}});
  ASSERT_TRUE(status.ok()) << status;

  const auto before = ModelSource::Open(plain).value(), after = ModelSource::Open(out).value();
  EXPECT_EQ(after->Shape()->vocabulary, kVocabulary + 2) << "A is a token already, and <end> comes once";
  const auto old_tokenizer = before->ReadTokenizer().value(), tokenizer = after->ReadTokenizer().value();
  const std::vector<TokenId> parts = old_tokenizer->EncodeContinuation("<end>", SpecialTokens::kPlain);
  ASSERT_EQ(parts.size(), 5u);
  EXPECT_EQ(tokenizer->EncodeContinuation("<end>", SpecialTokens::kParse), (std::vector<TokenId>{kVocabulary}));
  EXPECT_EQ(tokenizer->EncodeContinuation("x<go>y", SpecialTokens::kParse).size(), 3u);
  EXPECT_EQ(tokenizer->Bytes(kVocabulary), "<end>") << "what a model writes is seen";
  EXPECT_EQ(tokenizer->EncodeContinuation("Ax", SpecialTokens::kPlain),
            old_tokenizer->EncodeContinuation("Ax", SpecialTokens::kPlain));

  for (const char* tensor : {"token_embd.weight", "output.weight"}) {
    std::vector<double> mean(64);
    for (const TokenId part : parts) {
      const auto row = Row(*before, tensor, static_cast<uint64_t>(part));
      for (size_t i = 0; i < mean.size(); ++i) mean[i] += row[i] / 5.0;
    }
    const auto row = Row(*after, tensor, kVocabulary);
    for (size_t i = 0; i < mean.size(); ++i) ASSERT_NEAR(row[i], mean[i], 1e-6) << tensor;
    EXPECT_EQ(Row(*after, tensor, 7), Row(*before, tensor, 7));
  }

  // The logits of the tokens that were there are what they were.
  const auto old_engine = Engine::Load(plain, {.precision = Precision::kFloat32}).value();
  const auto engine = Engine::Load(out, {.precision = Precision::kFloat32}).value();
  const std::vector<TokenId> prompt = {5, 17, 80, 3};
  const auto expected = old_engine->Logits(prompt).value(), logits = engine->Logits(prompt).value();
  ASSERT_EQ(logits.size(), prompt.size() * (kVocabulary + 2));
  for (size_t row = 0; row < prompt.size(); ++row) {
    for (size_t i = 0; i < kVocabulary; ++i)
      ASSERT_NEAR(logits[row * (kVocabulary + 2) + i], expected[row * kVocabulary + i], 1e-5);
  }
}

TEST(NewTokens, IdsFollowTheLastOneThatIsTaken) {
  WriteModel(Folder("ids"));
  const auto source = ModelSource::Open(Folder("ids")).value();
  const auto tokenizer = source->ReadTokenizer().value();
  Json json = Json::parse(CharacterTokenizer(kVocabulary));
  json["added_tokens"] = {{{"id", 120}, {"content", "<pad>"}}};
  const auto added = AddTokens({"<go>"}, *tokenizer, json);
  ASSERT_TRUE(added.ok());
  ASSERT_EQ(added->size(), 1u);
  EXPECT_EQ((*added)[0].id, 121);
  EXPECT_EQ(json["added_tokens"].size(), 2u);
  EXPECT_EQ(json["added_tokens"][1]["special"], false);
  EXPECT_THAT(Message(AddTokens({""}, *tokenizer, json).status()), ::testing::HasSubstr("has no text"));
}

}  // namespace
}  // namespace orrery::model
