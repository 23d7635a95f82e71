// SPDX-License-Identifier: Apache-2.0
// Tokenizers from tokenizer.json against the `tokenizers` library (golden/make_family_tokenizers.py), a family a file.
// ORRERY_TOKENIZER_GOLDEN names a folder of longer files.
#include "model/tokenizer/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "base/paths.h"
#include "model/tokenizer/unicode.h"
#include "tests/model/gguf_builder.h"
#include "tests/model/tokenizer_golden.h"

namespace orrery::model {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

Json Golden(const std::string& family) {
  const char* folder = std::getenv("ORRERY_TOKENIZER_GOLDEN");
  const auto path = folder != nullptr
                        ? StatusOr<std::filesystem::path>(std::filesystem::path(folder) / (family + ".json"))
                        : DataFile("tests/model/golden/tokenizers/" + family + ".json");
  EXPECT_TRUE(path.ok()) << path.status();
  return Json::parse(ReadFile(*path).value());
}

class Family : public ::testing::TestWithParam<std::string> {};

TEST_P(Family, AgreesWithTheReferenceOnEveryString) {
  const Json golden = Golden(GetParam());
  const auto tokenizer = TokenizerFromJson(golden["tokenizer"].dump(), "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  ASSERT_GE(golden["rows"].size(), 200u);
  int differ = 0;
  for (const Json& row : golden["rows"]) {
    SCOPED_TRACE(row.dump().substr(0, 600));
    const std::string text = Text(row);
    ExpectIds((*tokenizer)->Encode(text, SpecialTokens::kPlain), row["plain"]);
    ExpectIds((*tokenizer)->Encode(text, SpecialTokens::kParse), row.contains("parsed") ? row["parsed"] : row["plain"]);
    if (HasFailure() && ++differ == 5) break;
  }
  RecordProperty("strings", static_cast<int>(golden["rows"].size()));
}

// Put after another text, a text is written by its tokens as it is, without the blank that a text of its own gets.
TEST_P(Family, AContinuationIsItsOwnTextAgain) {
  const Json golden = Golden(GetParam());
  const auto tokenizer = TokenizerFromJson(golden["tokenizer"].dump(), "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  for (const Json& row : golden["rows"]) {
    std::string text = ReplaceIllFormed(Text(row));
    if (GetParam() == "qwen2") text = NormalFormC(text);
    if (text.find("\u2581") != std::string::npos) continue;  // is a blank to these tokenizers
    const auto tokens = (*tokenizer)->EncodeContinuation(text, SpecialTokens::kPlain);
    ASSERT_EQ((*tokenizer)->Decode(tokens), text) << row.dump().substr(0, 300);
  }
}

// The same vocabulary as GGUF keeps it: scores in place of merges.
TEST(SentencePieceGguf, AgreesWithTheReferenceOnEveryString) {
  using B = GgufBuilder;
  const Json golden = Golden("llama2");
  std::map<int, std::string> texts;
  for (const auto& [text, id] : golden["tokenizer"]["model"]["vocab"].items()) texts[id.get<int>()] = text;
  std::string tokens, types, scores;
  for (const auto& [id, text] : texts) {
    tokens += B::Sized(text);
    types += B::Raw<int32_t>(id == 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1);
    scores += B::Raw(static_cast<float>(-id));
  }
  B builder;
  builder.Key("tokenizer.ggml.model", B::kString, B::Sized("llama"));
  builder.Key("tokenizer.ggml.tokens", B::kArray, B::Array(B::kString, texts.size(), tokens));
  builder.Key("tokenizer.ggml.token_type", B::kArray, B::Array(B::kInt32, texts.size(), types));
  builder.Key("tokenizer.ggml.scores", B::kArray, B::Array(B::kFloat32, texts.size(), scores));
  builder.Key("tokenizer.ggml.bos_token_id", B::kUint32, B::Raw<uint32_t>(1));
  builder.Key("tokenizer.ggml.eos_token_id", B::kUint32, B::Raw<uint32_t>(2));
  builder.Key("tokenizer.ggml.unknown_token_id", B::kUint32, B::Raw<uint32_t>(0));
  const std::string bytes = builder.Bytes();
  const auto file = GgufFile::FromBytes({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "sp.gguf");
  ASSERT_TRUE(file.ok()) << file.status();
  const auto tokenizer = Tokenizer::FromGguf(**file);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->BeginOfText(), std::optional<TokenId>(1));
  EXPECT_TRUE((*tokenizer)->IsEndOfText(2));
  for (const Json& row : golden["rows"]) {
    SCOPED_TRACE(row.dump().substr(0, 600));
    ExpectIds((*tokenizer)->Encode(Text(row), SpecialTokens::kPlain), row["plain"]);
    if (HasFailure()) break;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Family,
                         ::testing::Values("qwen2", "llama3", "gpt2", "llama2", "mistral", "metaspace", "phi3"),
                         [](const auto& info) { return info.param; });

TEST(TokenizerJson, BeginsAndEndsOfTexts) {
  const auto llama3 = TokenizerFromJson(Golden("llama3")["tokenizer"].dump(), "t").value();
  ASSERT_TRUE(llama3->BeginOfText().has_value());
  EXPECT_EQ(llama3->BeginOfText(), llama3->Find("<|begin_of_text|>"));
  EXPECT_TRUE(llama3->IsEndOfText(*llama3->Find("<|eot_id|>")));
  const auto llama2 = TokenizerFromJson(Golden("llama2")["tokenizer"].dump(), "t").value();
  EXPECT_EQ(llama2->BeginOfText(), std::optional<TokenId>(1));
  EXPECT_EQ(llama2->Bytes(1), "");
  EXPECT_EQ(llama2->Bytes(3 + '\n'), "\n");
  const auto qwen2 = TokenizerFromJson(Golden("qwen2")["tokenizer"].dump(), "t").value();
  EXPECT_FALSE(qwen2->BeginOfText().has_value());
  EXPECT_EQ(qwen2->Bytes(*qwen2->Find("<tool>")), "<tool>");
}

std::string Refused(const std::string& family, const std::string& change) {
  Json tokenizer = Golden(family)["tokenizer"];
  tokenizer.merge_patch(Json::parse(change));
  const auto read = TokenizerFromJson(tokenizer.dump(), "tokenizer.json");
  EXPECT_FALSE(read.ok()) << change;
  return Message(read.status());
}

TEST(TokenizerJson, TheUnknownIsRefusedByName) {
  EXPECT_THAT(Message(TokenizerFromJson("{", "x/tokenizer.json").status()), HasSubstr("x/tokenizer.json: no JSON"));
  EXPECT_THAT(Refused("gpt2", R"({"model":{"type":"Unigram"}})"), HasSubstr("model 'Unigram' is not supported"));
  EXPECT_THAT(Refused("gpt2", R"({"model":{"dropout":0.1}})"), HasSubstr("model.dropout is 0.1"));
  EXPECT_THAT(Refused("gpt2", R"({"model":{"vocab":{"a":-1}}})"), HasSubstr("token 'a' has the id -1"));
  EXPECT_THAT(Refused("gpt2", R"({"model":{"merges":[["a"]]}})"), HasSubstr("two texts were expected"));
  EXPECT_THAT(Refused("gpt2", R"({"model":{"merges":["a \u4e2d"]}})"), HasSubstr("is not a token"));
  EXPECT_THAT(Refused("gpt2", R"({"normalizer":{"type":"Lowercase"}})"), HasSubstr("normalizer 'Lowercase'"));
  EXPECT_THAT(Refused("gpt2", R"({"pre_tokenizer":{"type":"Whitespace"}})"), HasSubstr("pre_tokenizer 'Whitespace'"));
  EXPECT_THAT(Refused("gpt2", R"({"pre_tokenizer":{"add_prefix_space":true}})"), HasSubstr("add_prefix_space"));
  EXPECT_THAT(Refused("qwen2", R"({"pre_tokenizer":{"pretokenizers":[{"type":"Split","pattern":{"Regex":"\\w+"},)"
                               R"("behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,)"
                               R"("use_regex":false}]}})"),
              HasSubstr("'Split' by '\\w+' is not supported"));
  EXPECT_THAT(Refused("gpt2", R"({"decoder":{"type":"WordPiece"}})"), HasSubstr("decoder 'WordPiece'"));
  EXPECT_THAT(Refused("gpt2", R"({"post_processor":{"type":"BertProcessing"}})"), HasSubstr("'BertProcessing'"));
  EXPECT_THAT(Refused("mistral", R"({"pre_tokenizer":{"prepend_scheme":"twice"}})"),
              HasSubstr("prepend_scheme 'twice'"));
  EXPECT_THAT(Refused("llama2", R"({"model":{"unk_token":"<none>"}})"), HasSubstr("model.unk_token '<none>'"));
}

}  // namespace
}  // namespace orrery::model
