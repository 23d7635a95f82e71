// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/clock.h"
#include "base/digest.h"
#include "base/paths.h"
#include "model/tokenizer/unicode.h"
#include "tests/model/gguf_builder.h"
#include "tests/model/models.h"
#include "tests/model/tokenizer_golden.h"

namespace orrery::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

struct Case {
  std::string_view model;
  std::string pre;
  bool normalises;
};

class Published : public ::testing::TestWithParam<Case> {
 protected:
  static Tokenizer& Get(std::string_view model) {
    static std::map<std::string_view, std::unique_ptr<Tokenizer>> all;
    auto& tokenizer = all[model];
    if (tokenizer == nullptr) {
      auto file = OpenModel(model);
      EXPECT_TRUE(file.ok()) << file.status();
      auto read = Tokenizer::FromGguf(**file);
      EXPECT_TRUE(read.ok()) << read.status();
      tokenizer = std::move(read).value();  // the file is closed here: a tokenizer keeps what it needs
    }
    return *tokenizer;
  }
  static Json Golden() {
    const auto path = DataFile("tests/model/golden/tokenizer.json");
    EXPECT_TRUE(path.ok()) << path.status();
    return Json::parse(ReadFile(*path).value());
  }
};

TEST_P(Published, AgreesWithTheReferenceOnEveryString) {
  const Tokenizer& tokenizer = Get(GetParam().model);
  const std::string& pre = GetParam().pre;
  const Json golden = Golden();
  ASSERT_GE(golden.size(), 2000u);
  for (const Json& row : golden) {
    SCOPED_TRACE(row.dump().substr(0, 400));
    const std::string text = Text(row);
    ExpectIds(tokenizer.Encode(text, SpecialTokens::kPlain), row[pre]);
    ExpectIds(tokenizer.Encode(text, SpecialTokens::kParse),
              row.contains(pre + "_parsed") ? row[pre + "_parsed"] : row[pre]);
    if (HasFailure()) break;
  }
}

// 21 bytes have no token in SmolLM2's vocabulary: most never occur in UTF-8, eight do (four control characters, four
// lead bytes).
bool Writable(const Tokenizer& tokenizer, const std::string& text) {
  for (const char byte : text) {
    if (tokenizer.Decode(tokenizer.Encode(std::string_view(&byte, 1), SpecialTokens::kPlain)).empty()) return false;
  }
  return true;
}

TEST_P(Published, DecodingGivesTheTextBack) {
  const Tokenizer& tokenizer = Get(GetParam().model);
  int checked = 0;
  for (const Json& row : Golden()) {
    std::string text = ReplaceIllFormed(Text(row));
    if (GetParam().normalises) text = NormalFormC(text);
    const std::string back = tokenizer.Decode(tokenizer.Encode(text, SpecialTokens::kPlain));
    if (back == text) {
      ++checked;
    } else {
      EXPECT_FALSE(GetParam().normalises || Writable(tokenizer, text)) << row.dump().substr(0, 400);
    }
  }
  EXPECT_GT(checked, 1900);
}

TEST_P(Published, SpecialTokensAreTokensOnlyWhereParsed) {
  const Tokenizer& tokenizer = Get(GetParam().model);
  const auto start = tokenizer.Find("<|im_start|>"), end = tokenizer.Find("<|im_end|>"),
             text_end = tokenizer.Find("<|endoftext|>");
  ASSERT_TRUE(start && end && text_end);
  const std::string chat = "<|im_start|>user\nHi<|im_end|>\n";
  const auto parsed = tokenizer.Encode(chat, SpecialTokens::kParse);
  EXPECT_EQ(parsed.front(), *start);
  EXPECT_EQ(tokenizer.Decode(parsed), "user\nHi\n");
  const auto plain = tokenizer.Encode(chat, SpecialTokens::kPlain);
  EXPECT_EQ(tokenizer.Decode(plain), chat);
  EXPECT_THAT(plain, ::testing::Each(::testing::AllOf(::testing::Ne(*start), ::testing::Ne(*end))));
  EXPECT_TRUE(tokenizer.IsEndOfText(*end));
  EXPECT_TRUE(tokenizer.IsEndOfText(*text_end));
  EXPECT_FALSE(tokenizer.IsEndOfText(*start));
  EXPECT_FALSE(tokenizer.IsEndOfText(plain[0]));
  EXPECT_EQ(tokenizer.Bytes(*start), "");
  EXPECT_EQ(tokenizer.Bytes(-1), "");
  EXPECT_EQ(tokenizer.Bytes(tokenizer.vocabulary_size()), "");
  EXPECT_FALSE(tokenizer.Find("user").has_value());
  EXPECT_THAT(tokenizer.Encode("", SpecialTokens::kParse), IsEmpty());
}

TEST_P(Published, LongInputTakesTimeInProportion) {
  const Tokenizer& tokenizer = Get(GetParam().model);
  for (const std::string unit : {"a", " ", "\n", "=", "1", "\u0301", "a\u0323\u0302", "\u0302\u0323", "xyz "}) {
    const auto seconds = [&](size_t bytes) {
      std::string text;
      while (text.size() < bytes) text += unit;
      const auto start = Clock::now();
      EXPECT_FALSE(tokenizer.Encode(text, SpecialTokens::kPlain).empty());
      return SecondsSince(start);
    };
    // Eight times the text: a quadratic step would take 64 times as long.
    const double part = std::max(seconds(1 << 17), 0.01);
    EXPECT_LT(seconds(1 << 20), 30 * part) << '"' << unit << '"';
  }
}

TEST_P(Published, ThreadsShareOneTokenizer) {
  const Tokenizer& tokenizer = Get(GetParam().model);
  const Json golden = Golden();
  std::vector<std::thread> threads;
  std::array<std::string, 4> digests;
  for (auto& digest : digests) {
    threads.emplace_back([&] {
      Sha256 hash;
      for (size_t i = 0; i < 800; ++i) {
        const auto ids = tokenizer.Encode(Text(golden[i]), SpecialTokens::kParse);
        hash.UpdateSized({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(TokenId)});
      }
      digest = Hex(hash.Finish());
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(digests, ::testing::Each(digests[0]));
}

INSTANTIATE_TEST_SUITE_P(Models, Published,
                         ::testing::Values(Case{kQwen, "qwen2", true}, Case{kSmolLm, "smollm", false}),
                         [](const auto& info) { return info.param.pre; });

TEST(Unicode, IllFormedSequencesAreReplacedByMaximalParts) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(ReplaceIllFormed("a\x80z"), "a" + r + "z");
  EXPECT_EQ(ReplaceIllFormed("\xF0\x9F\x98"), r);                  // one part, cut off
  EXPECT_EQ(ReplaceIllFormed("\xED\xA0\x80"), r + r + r);          // a surrogate
  EXPECT_EQ(ReplaceIllFormed("\xE0\x80\x80"), r + r + r);          // overlong
  EXPECT_EQ(ReplaceIllFormed("\xF4\x90\x80\x80"), r + r + r + r);  // beyond U+10FFFF
  EXPECT_EQ(ReplaceIllFormed("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
                             "A"),
            r + r + r + r + "A");
  EXPECT_EQ(ReplaceIllFormed("é中\xF0\x9F\x98\x80"), "é中\xF0\x9F\x98\x80");
  EXPECT_EQ(ReplaceIllFormed(std::string_view("\0\xFF", 2)), std::string(1, '\0') + r);
}

TEST(Unicode, NormalFormC) {
  EXPECT_EQ(NormalFormC("e\u0301"), "\u00E9");
  EXPECT_EQ(NormalFormC("a\u0302\u0323"), "\u1EAD");
  EXPECT_EQ(NormalFormC("\u212B\u2126"), "\u00C5\u03A9");
  EXPECT_EQ(NormalFormC("\u1100\u1161\u11A8"), "\uAC01");
  EXPECT_EQ(NormalFormC("\u0958"), "\u0915\u093C");
  EXPECT_EQ(NormalFormC("plain ß"), "plain ß");
}

// A tokenizer of a handful of tokens.
class Tiny {
 public:
  GgufBuilder builder;
  std::vector<std::string> tokens = {"a", "b", "c", "ab", "abc", "bc", "<x>", "<xx>", "<u>", "[PAD]", "\u0120"};
  std::vector<int32_t> types = {1, 1, 1, 1, 1, 1, 3, 3, 4, 5, 1};
  std::vector<std::string> merges = {"b c", "a b", "ab c", "a bc"};
  std::string model = "gpt2", pre = "smollm";
  uint32_t eos = 6;

  StatusOr<std::unique_ptr<Tokenizer>> Read() const {
    using B = GgufBuilder;
    std::string all_tokens, all_types, all_merges;
    for (const auto& token : tokens) all_tokens += B::Sized(token);
    for (const auto type : types) all_types += B::Raw(type);
    for (const auto& merge : merges) all_merges += B::Sized(merge);
    B builder;
    builder.Key("tokenizer.ggml.model", B::kString, B::Sized(model))
        .Key("tokenizer.ggml.pre", B::kString, B::Sized(pre));
    builder.Key("tokenizer.ggml.tokens", B::kArray, B::Array(B::kString, tokens.size(), all_tokens));
    builder.Key("tokenizer.ggml.token_type", B::kArray, B::Array(B::kInt32, types.size(), all_types));
    builder.Key("tokenizer.ggml.merges", B::kArray, B::Array(B::kString, merges.size(), all_merges));
    builder.Key("tokenizer.ggml.eos_token_id", B::kUint32, B::Raw(eos));
    const std::string bytes = builder.Bytes();
    ORRERY_ASSIGN_OR_RETURN(
        const auto file,
        GgufFile::FromBytes({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "tiny.gguf"));
    return Tokenizer::FromGguf(*file);
  }
};

TEST(TinyTokenizer, MergesByRankAndMatchesTheLongestSpecial) {
  const auto tokenizer = Tiny().Read();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT((*tokenizer)->Encode("abc", SpecialTokens::kPlain), ElementsAre(4));
  EXPECT_THAT((*tokenizer)->Encode("abab", SpecialTokens::kPlain), ElementsAre(3, 3));
  EXPECT_THAT((*tokenizer)->Encode("a<xx><x>b<u", SpecialTokens::kParse),
              ElementsAre(0, 7, 6, 1));  // '<' and 'u' have no token
  EXPECT_THAT((*tokenizer)->Encode("<u>", SpecialTokens::kParse), ElementsAre(8));
  EXPECT_EQ((*tokenizer)->Decode({4, 6, 8, 9, 10}), "abc<u> ");
  EXPECT_TRUE((*tokenizer)->IsEndOfText(6));
}

TEST(TinyTokenizer, ErrorsNameTheKey) {
  const auto error = [](auto change) {
    Tiny tiny;
    change(tiny);
    const auto tokenizer = tiny.Read();
    EXPECT_FALSE(tokenizer.ok());
    return Message(tokenizer.status());
  };
  EXPECT_THAT(error([](Tiny& t) { t.model = "bert"; }),
              HasSubstr("tiny.gguf: key 'tokenizer.ggml.model' is 'bert'; 'gpt2'"));
  EXPECT_THAT(error([](Tiny& t) { t.pre = "default"; }),
              HasSubstr("tiny.gguf: key 'tokenizer.ggml.pre': pre-tokeniser 'default' is not known"));
  EXPECT_THAT(error([](Tiny& t) { t.types.pop_back(); }), HasSubstr("has 10 elements; as many as tokens (11)"));
  EXPECT_THAT(error([](Tiny& t) { t.merges[1] = "a"; }), HasSubstr("merge 1 ('a'): two texts with one space"));
  EXPECT_THAT(error([](Tiny& t) { t.merges[1] = "a b c"; }), HasSubstr("two texts with one space"));
  EXPECT_THAT(error([](Tiny& t) { t.merges[0] = "c a"; }), HasSubstr("is not a token"));
  EXPECT_THAT(error([](Tiny& t) { t.eos = 11; }),
              HasSubstr("key 'tokenizer.ggml.eos_token_id' is 11; a token below 11"));
  EXPECT_THAT(error([](Tiny& t) { t.tokens.clear(), t.types.clear(); }), HasSubstr("has 0 elements"));
}

}  // namespace
}  // namespace orrery::model
