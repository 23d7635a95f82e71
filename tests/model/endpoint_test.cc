// SPDX-License-Identifier: Apache-2.0

// The endpoint engine against servers that behave as servers do: what is tried again and how often, what is told, and
// that nothing waits for ever.

#include "model/endpoint/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "model/tokenizer/byte_tokenizer.h"
#include "tests/model/hostile_server.h"

namespace orrery::model {
namespace {

using Json = nlohmann::json;
using Then = HostileAnswer::Then;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kKey[] = "sk-very-secret";

HostileAnswer Models(const std::string& more = "") {
  return HttpAnswer(200, R"({"data":[{"id":"m","max_model_len":1000}]})", "application/json", more);
}

// As many choices as the call asks for; each repeats the prompt.
HostileAnswer Right(const HostileCall& call) {
  const Json body = Json::parse(call.body);
  Json choices = Json::array();
  for (int i = 0; i < body.value("n", 1); ++i)
    choices.push_back({{"index", i},
                       {"text", fmt::format("{} {}", body["prompt"].get<std::string>(), i)},
                       {"finish_reason", "length"}});
  return HttpAnswer(200, Json{{"choices", choices}}.dump());
}

bool IsList(const HostileCall& call) { return call.head.starts_with("GET /v1/models "); }

EndpointOptions Options(const HostileServer& server) {
  EndpointOptions options;
  options.http = {.url = server.url(),
                  .key = kKey,
                  .connections = 4,
                  .connect_seconds = 2,
                  .answer_seconds = 5,
                  .retries = 2,
                  .retry_seconds = 0.01,
                  .retry_most_seconds = 0.2,
                  .answer_bytes = 100000};
  return options;
}

std::unique_ptr<EndpointEngine> Connect(const EndpointOptions& options) {
  auto engine = EndpointEngine::Connect(options, std::make_unique<ByteTokenizer>());
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

GenerationRequest Ask(uint64_t id, std::string_view prompt) {
  GenerationRequest request;
  request.id = id;
  request.prompt = ByteTokenizer().Encode(prompt, SpecialTokens::kPlain);
  request.sampling.temperature = 1;
  request.random = {1, id};
  return request;
}

// Steps until all is answered, or the first error.
StatusOr<std::vector<Generation>> RunAll(Engine& engine) {
  std::vector<Generation> all;
  while (!engine.Idle()) {
    ORRERY_ASSIGN_OR_RETURN(auto finished, engine.Step());
    for (auto& generation : finished) all.push_back(std::move(generation));
  }
  std::sort(all.begin(), all.end(), [](const Generation& a, const Generation& b) { return a.id < b.id; });
  return all;
}

TEST(Endpoint, RequestsOfOnePromptShareACall) {
  HostileServer server([](const HostileCall& call) { return IsList(call) ? Models() : Right(call); });
  auto options = Options(server);
  options.choices = 3;
  const auto engine = Connect(options);
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(engine->model(), "m");
  EXPECT_EQ(engine->context_length(), 1000);
  for (uint64_t id = 0; id < 4; ++id) ASSERT_TRUE(engine->Submit(Ask(id, "one")).ok());
  ASSERT_TRUE(engine->Submit(Ask(4, "two")).ok());
  const auto all = RunAll(*engine);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 5u);
  EXPECT_EQ((*all)[2].text, "one 2");
  EXPECT_EQ((*all)[3].text, "one 0");
  EXPECT_EQ((*all)[4].text, "two 0");
  EXPECT_EQ(server.calls(), 4) << "the list of models, three and one of \"one\", one of \"two\"";
  EXPECT_LE(server.connections(), 4);
  for (const HostileCall& call : server.log())
    EXPECT_THAT(call.head, HasSubstr(std::string("Authorization: Bearer ") + kKey));
}

TEST(Endpoint, FewerChoicesThanAskedForAreAskedForAgain) {
  HostileServer server([](const HostileCall& call) {
    if (IsList(call)) return Models();
    return HttpAnswer(200, R"({"choices":[{"index":0,"text":"x","finish_reason":"length"}]})");
  });
  const auto engine = Connect(Options(server));
  ASSERT_NE(engine, nullptr);
  for (uint64_t id = 0; id < 3; ++id) ASSERT_TRUE(engine->Submit(Ask(id, "one")).ok());
  const auto all = RunAll(*engine);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->size(), 3u);
  EXPECT_EQ(server.calls(), 4);
}

// A first call that goes wrong in some way, and a second that is answered.
struct Passing {
  const char* name;
  HostileAnswer first;
};

class PassingFailure : public ::testing::TestWithParam<Passing> {};

TEST_P(PassingFailure, IsTriedAgain) {
  HostileServer server([](const HostileCall& call) {
    if (IsList(call)) return Models("Connection: close\r\n");
    return call.number == 1 ? GetParam().first : Right(call);
  });
  auto options = Options(server);
  options.http.answer_seconds = 1;
  const auto engine = Connect(options);
  ASSERT_NE(engine, nullptr);
  ASSERT_TRUE(engine->Submit(Ask(0, "p")).ok());
  const auto all = RunAll(*engine);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->at(0).text, "p 0");
  EXPECT_EQ(server.calls(), 3);
  EXPECT_EQ(engine->Calls().retries, 1u);
}

INSTANTIATE_TEST_SUITE_P(
    All, PassingFailure,
    ::testing::Values(
        Passing{"TooManyRequests",
                HttpAnswer(429, R"({"error":{"message":"slow down"}})", "application/json", "Retry-After: 0\r\n")},
        Passing{"ServerError", HttpAnswer(500, "oops", "text/plain")},
        Passing{"BadGateway", HttpAnswer(502, "<html>bad gateway</html>", "text/html")},
        Passing{"Html", HttpAnswer(200, "<html>sign in</html>", "text/html")},
        Passing{"HalfAnAnswer", {"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"choices\":[{\"ind", Then::kClose}},
        Passing{"HalfAHead", {"HTTP/1.1 200 OK\r\nContent-Le", Then::kClose}},
        Passing{"HalfAJson", HttpAnswer(200, R"({"choices":[{"index":0,"te)")},
        Passing{"WrongJson", HttpAnswer(200, R"({"choices":[{"index":0,"text":7,"finish_reason":"stop"}]})")},
        Passing{"Closed", {"", Then::kClose}}, Passing{"Reset", {"HTTP/1.1 200 OK\r\n", Then::kReset}},
        Passing{"Silence", {"", Then::kSilence}},
        Passing{"SilenceInTheMiddle", {"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", Then::kSilence}},
        Passing{"NoHttp", {"220 smtp ready\r\n\r\n", Then::kClose}},
        Passing{"HugeBody", HttpAnswer(200, std::string(200000, 'x'))}),
    [](const auto& info) { return info.param.name; });

// A server that never does better.
struct Lasting {
  const char* name;
  HostileAnswer answer;
  int tries;
  std::vector<std::string> words;
};

class LastingFailure : public ::testing::TestWithParam<Lasting> {};

TEST_P(LastingFailure, IsToldWithAddressAndTries) {
  HostileServer server([](const HostileCall& call) { return IsList(call) ? Models() : GetParam().answer; });
  auto options = Options(server);
  options.http.answer_seconds = 0.3;
  const auto engine = Connect(options);
  ASSERT_NE(engine, nullptr);
  ASSERT_TRUE(engine->Submit(Ask(0, "p")).ok());
  const auto all = RunAll(*engine);
  ASSERT_FALSE(all.ok());
  const std::string words = Message(all.status());
  EXPECT_THAT(words, HasSubstr(server.url() + "/completions: "));
  for (const std::string& word : GetParam().words) EXPECT_THAT(words, HasSubstr(word));
  EXPECT_THAT(words, Not(HasSubstr(kKey)));
  EXPECT_EQ(server.calls() - 1, GetParam().tries);
  EXPECT_EQ(words.find("(tried 3 times)") != std::string::npos, GetParam().tries == 3);
  EXPECT_TRUE(engine->Idle());
}

INSTANTIATE_TEST_SUITE_P(
    All, LastingFailure,
    ::testing::Values(
        Lasting{
            "ServerError", HttpAnswer(500, R"({"error":{"message":"out of memory"}})"), 3, {"500", "out of memory"}},
        Lasting{"TooManyRequests", HttpAnswer(429, ""), 3, {"429"}},
        Lasting{"Html", HttpAnswer(200, "<html>sign in</html>", "text/html"), 3, {"no JSON", "<html>sign in"}},
        Lasting{"Silence", {"", Then::kSilence}, 3, {"no whole answer within 0.3 s", "endpoint.answer_seconds"}},
        Lasting{"Half", {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", Then::kClose}, 3, {"half an answer"}},
        Lasting{"HugeBody", HttpAnswer(200, std::string(200000, 'x')), 3, {"more than 100000 bytes"}},
        // No second try would change these.
        Lasting{"WrongKey",
                HttpAnswer(401, fmt::format(R"({{"error":{{"message":"bad key {}"}}}})", kKey)),
                1,
                {"401", "bad key …"}},
        Lasting{
            "ContextOverflow",
            HttpAnswer(400, R"({"error":{"message":"maximum context length is 9","code":"context_length_exceeded"}})"),
            1,
            {"400", "maximum context length is 9"}},
        Lasting{"NotFound", HttpAnswer(404, "<html>nginx</html>", "text/html"), 1, {"404", "nginx"}}),
    [](const auto& info) { return info.param.name; });

TEST(Endpoint, RetryAfterIsObeyedUpToTheLongestPause) {
  HostileServer server([](const HostileCall& call) {
    if (IsList(call)) return Models();
    if (call.number == 1) return HttpAnswer(503, "", "text/plain", "Retry-After: 0.4\r\n");
    if (call.number == 2) return HttpAnswer(503, "", "text/plain", "Retry-After: 3600\r\n");
    return Right(call);
  });
  auto options = Options(server);
  options.http.retry_most_seconds = 0.6;
  const auto engine = Connect(options);
  ASSERT_NE(engine, nullptr);
  ASSERT_TRUE(engine->Submit(Ask(0, "p")).ok());
  const auto begin = Clock::now();
  ASSERT_TRUE(RunAll(*engine).ok());
  const double seconds = SecondsSince(begin);
  EXPECT_GE(seconds, 0.95);
  EXPECT_LT(seconds, 60);
}

TEST(Endpoint, NoMoreThanSoManyCallsAreInFlight) {
  std::atomic<int> now{0}, most{0};
  HostileServer server([&](const HostileCall& call) {
    if (IsList(call)) return Models();
    most = std::max(most.load(), ++now);
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    --now;
    return Right(call);
  });
  auto options = Options(server);
  options.choices = 1;
  options.http.connections = 3;
  const auto engine = Connect(options);
  ASSERT_NE(engine, nullptr);
  for (uint64_t id = 0; id < 20; ++id) ASSERT_TRUE(engine->Submit(Ask(id, "p")).ok());
  const auto all = RunAll(*engine);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->size(), 20u);
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 2);
  EXPECT_LE(server.connections(), 3) << "connections are kept";
}

TEST(Endpoint, AKeptConnectionThatTheServerClosedIsNoTry) {
  HostileServer server([](const HostileCall& call) {
    if (IsList(call)) return Models();
    HostileAnswer answer = Right(call);
    answer.then = Then::kClose;  // without having said so
    return answer;
  });
  auto options = Options(server);
  options.http.connections = 1;
  options.http.retries = 0;
  const auto engine = Connect(options);
  ASSERT_NE(engine, nullptr);
  for (uint64_t id = 0; id < 3; ++id) {
    ASSERT_TRUE(engine->Submit(Ask(id, "p")).ok());
    const auto all = RunAll(*engine);
    ASSERT_TRUE(all.ok()) << all.status();
  }
}

TEST(Endpoint, CancelledRequestsAreNotAnswered) {
  HostileServer server([](const HostileCall& call) { return IsList(call) ? Models() : Right(call); });
  const auto engine = Connect(Options(server));
  ASSERT_NE(engine, nullptr);
  for (uint64_t id = 0; id < 3; ++id) ASSERT_TRUE(engine->Submit(Ask(id, "p")).ok());
  engine->Cancel(1);
  ASSERT_TRUE(engine->Step().ok());
  engine->Cancel(2);
  std::vector<Generation> all;
  while (!engine->Idle()) {
    auto finished = engine->Step();
    ASSERT_TRUE(finished.ok());
    all.insert(all.end(), finished->begin(), finished->end());
  }
  EXPECT_LE(all.size(), 1u);
}

TEST(Endpoint, DroppedWithCallsInFlight) {
  HostileServer server([](const HostileCall& call) {
    return IsList(call) ? Models() : HostileAnswer{"", Then::kSilence};
  });
  const auto engine = Connect(Options(server));
  ASSERT_NE(engine, nullptr);
  ASSERT_TRUE(engine->Submit(Ask(0, "p")).ok());
  ASSERT_TRUE(engine->Step().ok());
}

TEST(Endpoint, WhatItRefusesNamesTheKey) {
  const auto refused = [](EndpointOptions options) {
    const auto engine = EndpointEngine::Connect(options, std::make_unique<ByteTokenizer>());
    EXPECT_FALSE(engine.ok());
    return Message(engine.status());
  };
  HostileServer two([](const HostileCall&) { return HttpAnswer(200, R"({"data":[{"id":"a"},{"id":"b"}]})"); });
  EXPECT_THAT(refused(Options(two)), AllOf(HasSubstr("endpoint.model"), HasSubstr("a, b")));
  auto options = Options(two);
  options.dialect.model = "c";
  EXPECT_THAT(refused(options), AllOf(HasSubstr("no model 'c'"), HasSubstr("a, b")));
  options.dialect.model = "a";
  EXPECT_THAT(refused(options), HasSubstr("model.context_length"));
  options.context_otherwise = 77;
  EXPECT_EQ(Connect(options)->context_length(), 77);
  HostileServer page([](const HostileCall&) { return HttpAnswer(200, "<html>hello</html>", "text/html"); });
  EXPECT_THAT(refused(Options(page)), AllOf(HasSubstr(page.url() + "/models"), HasSubstr("<html>hello")));
  options.http.url = "http://example.org/v1";
  EXPECT_THAT(refused(options), HasSubstr("in the clear"));
  options.http.key = "sk-1\r\nX-Other: 1";
  EXPECT_THAT(refused(options), AllOf(HasSubstr("endpoint.key_variable"), Not(HasSubstr("sk-1"))));
  options.http.key.clear();
  options.http.url = "ftp://example.org";
  EXPECT_THAT(refused(options), AllOf(HasSubstr("endpoint.url"), HasSubstr("expected an address")));
  options.http.url = "http://127.0.0.1:1/v1";
  EXPECT_THAT(refused(options), HasSubstr("no connection"));
  options.http = Options(two).http;
  options.http.authorities = "/no/such/file.pem";
  EXPECT_THAT(refused(options), HasSubstr("endpoint.authorities"));
}

TEST(HttpAddressOf, PartsAndMistakes) {
  const auto address = ParseHttpAddress("https://[::1]:8443/some/v1/");
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_TRUE(address->tls);
  EXPECT_EQ(address->host, "::1");
  EXPECT_EQ(address->port, "8443");
  EXPECT_EQ(address->path, "/some/v1");
  EXPECT_TRUE(address->loopback);
  EXPECT_EQ(ParseHttpAddress("http://example.org")->port, "80");
  EXPECT_FALSE(ParseHttpAddress("http://example.org")->loopback);
  EXPECT_FALSE(ParseHttpAddress("http://localhost.example.org/")->loopback);
  for (const char* bad : {"", "example.org", "http://", "http://a:b", "http://a:0", "http://a:99999", "http://u:p@a/",
                          "http://a/?x", "http://[::1", "http://a b/", "http://a\r\nX: y/"})
    EXPECT_FALSE(ParseHttpAddress(bad).ok()) << bad;
}

TEST(RetryAfter, NumbersAndDates) {
  EXPECT_EQ(RetryAfterSeconds("7", 0), 7);
  EXPECT_EQ(RetryAfterSeconds("0.5", 0), 0.5);
  EXPECT_EQ(RetryAfterSeconds("Sun, 06 Nov 1994 08:49:37 GMT", 784111767), 10);
  EXPECT_EQ(RetryAfterSeconds("Sun, 06 Nov 1994 08:49:37 GMT", 784111778), 0) << "past";
  for (const char* bad : {"", "soon", "-5", "1e999", "nan", "7 s"}) EXPECT_EQ(RetryAfterSeconds(bad, 0), 0) << bad;
}

}  // namespace
}  // namespace orrery::model
