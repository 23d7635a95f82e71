// SPDX-License-Identifier: Apache-2.0
#include "model/endpoint/endpoint_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "model/tokenizer/byte_tokenizer.h"

namespace orrery::model {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

const ByteTokenizer& Bytes() {
  static const ByteTokenizer tokenizer;
  return tokenizer;
}

GenerationRequest Ask(std::string_view prompt) {
  GenerationRequest request;
  request.prompt = Bytes().Encode(prompt, SpecialTokens::kPlain);
  request.sampling = {.temperature = 0.7F, .top_p = 0.9F, .top_k = 40};
  request.stops = {"<end>", "<stop>"};
  request.max_new_tokens = 20;
  request.random = {0x0123456789abcdef, 0xfedcba9876543210};
  return request;
}

EndpointDialect Dialect(EndpointServer server, bool tokens = false) {
  return {.server = server, .model = "m", .token_prompts = tokens};
}

Json Body(const std::vector<GenerationRequest>& requests, const EndpointDialect& dialect) {
  return Json::parse(CompletionBody(requests, dialect, Bytes()));
}

TEST(CompletionBody, StandardKeepsToOpenAisFields) {
  const Json body = Body({Ask("a\xff")}, Dialect(EndpointServer::kStandard));
  EXPECT_EQ(body["prompt"], "a\xEF\xBF\xBD") << "what is no UTF-8 is replaced";
  EXPECT_EQ(body["model"], "m");
  EXPECT_EQ(body["max_tokens"], 20);
  EXPECT_EQ(body["temperature"].get<float>(), 0.7F);
  EXPECT_EQ(body["logprobs"], 1);
  EXPECT_TRUE(body["seed"].is_number_integer());
  EXPECT_LT(body["seed"], int64_t{1} << 31);
  for (const char* absent : {"stop", "top_k", "n", "return_token_ids"}) EXPECT_FALSE(body.contains(absent)) << absent;
  const Status refused = CheckRequest(Ask("a"), Dialect(EndpointServer::kStandard));
  EXPECT_THAT(Message(refused), HasSubstr("search.top_k"));
  EXPECT_TRUE(CheckRequest(Ask("a"), Dialect(EndpointServer::kVllm)).ok());
}

TEST(CompletionBody, OursNamesAStreamForEachChoice) {
  GenerationRequest second = Ask("ab");
  second.random.stream = 1;
  const Json body = Body({Ask("ab"), second}, Dialect(EndpointServer::kOrrery, true));
  EXPECT_EQ(body["prompt"], Json({97, 98}));
  EXPECT_EQ(body["n"], 2);
  EXPECT_EQ(body["seed"], Json({"0123456789abcdef-fedcba9876543210", "0123456789abcdef-0000000000000001"}));
  EXPECT_EQ(body["stop"], Json({"<end>", "<stop>"}));
  EXPECT_EQ(body["top_k"], 40);
  EXPECT_EQ(body["return_token_ids"], true);
}

TEST(CompletionBody, OneGreedyChoiceAnswersAll) {
  GenerationRequest request = Ask("a");
  request.sampling.temperature = 0;
  const std::vector<GenerationRequest> three(3, request);
  EXPECT_FALSE(Body(three, Dialect(EndpointServer::kVllm)).contains("n"));
  const auto read = ReadCompletionAnswer(R"({"choices":[{"index":0,"text":"x","finish_reason":"length"}]})", three,
                                         Dialect(EndpointServer::kStandard), Bytes());
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 3u);
  EXPECT_EQ(read->back().text, "x");
}

TEST(SameCall, EverythingButTheStreamIsEqual) {
  GenerationRequest a = Ask("a"), b = Ask("a");
  b.random = {};
  b.id = 7;
  EXPECT_TRUE(SameCall(a, b));
  b.max_new_tokens = 1;
  EXPECT_FALSE(SameCall(a, b));
  EXPECT_FALSE(SameCall(a, Ask("b")));
}

StatusOr<Generation> Read(const Json& choice, const EndpointDialect& dialect) {
  const std::vector<GenerationRequest> requests = {Ask("p")};
  Json indexed = choice;
  indexed["index"] = 0;
  ORRERY_ASSIGN_OR_RETURN(auto all,
                          ReadCompletionAnswer(Json{{"choices", {indexed}}}.dump(), requests, dialect, Bytes()));
  return all.at(0);
}

TEST(Answer, StandardIsCutHere) {
  const Json choice = {
      {"text", "ab<stop>cd<end>"},
      {"finish_reason", "length"},
      {"logprobs", {{"tokens", {"a", "b<st", "op>c", "d", "<end>"}}, {"token_logprobs", {-1, -2, -4, -8, -16}}}}};
  const auto read = Read(choice, Dialect(EndpointServer::kStandard));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->text, "ab");
  EXPECT_EQ(read->stop, "<stop>");
  EXPECT_EQ(read->reason, FinishReason::kStop);
  EXPECT_EQ(read->tokens.size(), 3u);
  EXPECT_EQ(read->log_probability, -7);

  const auto open =
      Read({{"text", "ab"}, {"finish_reason", "stop"}, {"logprobs", nullptr}}, Dialect(EndpointServer::kStandard));
  ASSERT_TRUE(open.ok()) << open.status();
  EXPECT_EQ(open->reason, FinishReason::kEndOfText);
  EXPECT_EQ(open->tokens.size(), 2u) << "counted by the tokenizer at hand";
  EXPECT_EQ(open->log_probability, 0);
}

TEST(Answer, ANamedStopIsTaken) {
  const auto read =
      Read({{"text", "ab"}, {"finish_reason", "stop"}, {"stop_reason", "<end>"}}, Dialect(EndpointServer::kVllm));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->text, "ab");
  EXPECT_EQ(read->stop, "<end>");
  EXPECT_EQ(read->reason, FinishReason::kStop);
  const auto ended =
      Read({{"text", "ab"}, {"finish_reason", "stop"}, {"stop_reason", nullptr}}, Dialect(EndpointServer::kVllm));
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(ended->reason, FinishReason::kEndOfText);
}

TEST(Answer, TokensGiveTextAndStopToTheByte) {
  const std::string bytes = "a\xE2\x82<stop>b";  // half a character, and a token too many
  const Json ids = Bytes().Encode(bytes, SpecialTokens::kPlain);
  Json logprobs = Json::array();
  double sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    logprobs.push_back(-0.1 * static_cast<double>(i));
    if (i + 1 < bytes.size()) sum += -0.1 * static_cast<double>(i);
  }
  Json choice = {{"text", "a\xEF\xBF\xBD"},
                 {"finish_reason", "stop"},
                 {"stop_reason", "<stop>"},
                 {"token_ids", ids},
                 {"logprobs", {{"token_logprobs", logprobs}}}};
  const auto dialect = Dialect(EndpointServer::kOrrery, true);
  const auto read = Read(choice, dialect);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->text, "a\xE2\x82");
  EXPECT_EQ(read->stop, "<stop>");
  EXPECT_EQ(read->reason, FinishReason::kStop);
  EXPECT_EQ(read->tokens.size(), bytes.size() - 1);
  EXPECT_EQ(read->log_probability, sum);

  choice["text"] = "another tokenizer's words";
  EXPECT_THAT(Message(Read(choice, dialect).status()), HasSubstr("is not the model that it serves"));
  choice["text"] = "a\xEF\xBF\xBD";
  choice["token_ids"] = nullptr;
  EXPECT_THAT(Message(Read(choice, dialect).status()), HasSubstr("token_ids"));
}

TEST(Answer, WhatIsWrongIsNamed) {
  const auto wrong = [](std::string_view body, EndpointServer server = EndpointServer::kStandard) {
    const std::vector<GenerationRequest> two(2, Ask("p"));
    const auto read = ReadCompletionAnswer(body, two, Dialect(server), Bytes());
    EXPECT_FALSE(read.ok()) << body;
    return Message(read.status());
  };
  EXPECT_THAT(wrong("<html>\n<b>Sign in</b>"), HasSubstr("no JSON object: '<html> <b>Sign in</b>'"));
  EXPECT_THAT(wrong("{}"), HasSubstr("choices"));
  EXPECT_THAT(wrong(R"({"choices":[]})"), HasSubstr("expected 2 choices"));
  EXPECT_THAT(wrong(R"({"choices":[{"index":0},{"index":1},{"index":2}]})"), HasSubstr("expected 2 choices"));
  EXPECT_THAT(wrong(R"({"choices":[{"index":5}]})"), HasSubstr("indices"));
  EXPECT_THAT(wrong(R"({"choices":[{"index":0,"text":3}]})"), HasSubstr("choices[0]: text"));
  EXPECT_THAT(wrong(R"({"choices":[{"index":0,"text":"x","finish_reason":"content_filter"}]})"),
              HasSubstr("finish_reason: expected \"stop\" or \"length\", found \"content_filter\""));
  EXPECT_THAT(wrong(R"({"choices":[{"index":0,"text":"x","finish_reason":"stop"}]})", EndpointServer::kVllm),
              HasSubstr("endpoint.server=standard"));
  EXPECT_THAT(
      wrong(R"({"choices":[{"index":0,"text":"x","finish_reason":"stop","stop_reason":"?"}]})", EndpointServer::kVllm),
      HasSubstr("expected one of the stops"));
  EXPECT_THAT(
      wrong(R"({"choices":[{"index":0,"text":"x","finish_reason":"stop","logprobs":{"token_logprobs":["a"]}}]})"),
      HasSubstr("token_logprobs"));
}

TEST(ModelList, NamesAndContexts) {
  const auto models = ReadModelList(R"({"data":[{"id":"a"},{"id":"b","max_model_len":4096}]})");
  ASSERT_TRUE(models.ok()) << models.status();
  ASSERT_EQ(models->size(), 2u);
  EXPECT_EQ((*models)[1].id, "b");
  EXPECT_EQ((*models)[1].context_length, 4096);
  EXPECT_FALSE(ReadModelList(R"({"data":[{"name":"a"}]})").ok());
  EXPECT_FALSE(ReadModelList("Not found").ok());
}

TEST(ErrorWordsOf, TheServersOwnWordsInOneLine) {
  EXPECT_EQ(ErrorWords(R"({"error":{"message":"too\nlong"}})"), "too long");
  EXPECT_EQ(ErrorWords(R"({"error":"no"})"), "no");
  EXPECT_EQ(ErrorWords(R"({"message":"vllm of old"})"), "vllm of old");
  EXPECT_EQ(ErrorWords("<h1>502</h1>"), "<h1>502</h1>");
  EXPECT_EQ(ErrorWords(""), "(nothing)");
  EXPECT_LT(ErrorWords(std::string(5000, 'x')).size(), 200u);
}

}  // namespace
}  // namespace orrery::model
