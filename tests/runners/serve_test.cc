// SPDX-License-Identifier: Apache-2.0

// The server as a user runs it, tried with the real openai client, with bytes that are no HTTP, and by a campaign whose
// records must be those of the same campaign without a server.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/paths.h"
#include "tests/fresh.h"
#include "tests/model/hostile_server.h"
#include "tests/runners/program.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kModel[] = "smollm2-135m-instruct";
constexpr char kToken[] = "a-token-of-the-test";

// Our AVX2 kernels in float32: the same bits on every processor that this project supports.
const std::vector<std::string> kPortable = {"ONEDNN_MAX_CPU_ISA=AVX2"};

std::vector<std::string> ServeArguments(std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {
      std::string("--model=") + kModel, "--listen=127.0.0.1:0", "--set", "model.precision=float32", "--set",
      "model.kv_bytes=268435456"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// "URL serves MODEL"
std::string UrlOf(const Background& server) {
  const std::string& line = server.first_line();
  EXPECT_THAT(line, HasSubstr(std::string(" serves ") + kModel));
  return line.substr(0, line.find(' '));
}

int PortOf(const std::string& url) { return std::stoi(url.substr(url.rfind(':') + 1)); }

// A certificate for 127.0.0.1 that signs itself.
struct Certificate {
  fs::path certificate, key;
};
Certificate MakeCertificate(const fs::path& folder) {
  Certificate made{folder / "certificate.pem", folder / "key.pem"};
  const Ended ended =
      RunProgram("/usr/bin/openssl", {"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                                      "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                                      "subjectAltName=IP:127.0.0.1", "-keyout", made.key, "-out", made.certificate});
  EXPECT_EQ(ended.code, 0) << ended.errors;
  return made;
}

Ended RunClient(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"-I", DataFile("tests/runners/openai_client.py").value_or("missing")};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return RunProgram(PythonEnvironment() / "bin/python3", all);
}

// Sends bytes, and reads until the server closes or `seconds` have passed.
std::string Exchange(int port, const std::string& bytes, int seconds = 10) {
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  EXPECT_EQ(connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const timeval limit{seconds, 0};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  std::string got;
  char buffer[4096];
  for (ssize_t count; (count = recv(connection, buffer, sizeof buffer, 0)) > 0;)
    got.append(buffer, static_cast<size_t>(count));
  close(connection);
  return got;
}

std::string Call(const std::string& first_line, const std::string& body, const std::string& more = "") {
  return fmt::format("{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n{}", first_line, more,
                     body.size(), body);
}

TEST(Serve, TheOpenAiClientFindsWhatItExpects) {
  Background server("runners/serve", ServeArguments({"--set", "serve.choices=4"}));
  const Ended client = RunClient({UrlOf(server), kModel});
  EXPECT_EQ(client.code, 0) << client.errors;
  EXPECT_THAT(client.output, HasSubstr("all as expected"));
  const Ended ended = server.Stop(SIGINT);
  EXPECT_EQ(ended.code, 0) << ended.errors;
}

TEST(Serve, TheSameOverTlsWithAToken) {
  const fs::path folder = FreshFolder("tls");
  const Certificate made = MakeCertificate(folder);
  Background server(
      "runners/serve",
      ServeArguments({"--set", "serve.choices=4", "--set", "serve.certificate=" + made.certificate.string(), "--set",
                      "serve.private_key=" + made.key.string()}),
      {std::string("ORRERY_SERVE_TOKEN=") + kToken});
  const std::string url = UrlOf(server);
  EXPECT_THAT(url, StartsWith("https://"));
  const Ended client = RunClient({url, kModel, "--key", kToken, "--authority", made.certificate});
  EXPECT_EQ(client.code, 0) << client.errors;
  EXPECT_EQ(server.Stop(SIGTERM).code, 0);
}

TEST(Serve, WhatIsNoCallIsRefusedAndTheServerGoesOn) {
  Background server("runners/serve", ServeArguments({"--set", "serve.body_bytes=2048"}));
  const int port = PortOf(UrlOf(server).substr(0, UrlOf(server).rfind('/')));
  EXPECT_THAT(Exchange(port, "this is no HTTP at all\r\n\r\n"), HasSubstr("400"));
  EXPECT_THAT(Exchange(port, std::string(100000, 'a')), HasSubstr("400"));
  EXPECT_THAT(Exchange(port, Call("POST /v1/completions", std::string(4000, ' '))), HasSubstr("413"));
  EXPECT_THAT(Exchange(port, Call("POST /v1/completions", "{\"prompt\": \"x")), HasSubstr("the body is no JSON"));
  EXPECT_THAT(Exchange(port, Call("POST /v1/completions", "{\"prompt\": \"\xff\"}")), HasSubstr("the body is no JSON"));
  EXPECT_THAT(Exchange(port, Call("GET /v1/completions", "")), HasSubstr("405"));
  EXPECT_THAT(Exchange(port, Call("POST /v1/models", "{}")), HasSubstr("405"));
  EXPECT_THAT(Exchange(port, Call("GET /", "")), HasSubstr("404"));
  EXPECT_THAT(Exchange(port, "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{", 1),
              testing::IsEmpty());
  const std::string body = R"({"prompt":"x","max_tokens":1})";
  EXPECT_THAT(Exchange(port, Call("POST /v1/completions", body, "Expect: 100-continue\r\n")),
              testing::AllOf(HasSubstr("100 Continue"), HasSubstr("\"finish_reason\":\"length\"")));
  // Two calls in one write are answered one after the other.
  const std::string health = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string both = Exchange(port, health + Call("GET /health", ""));
  EXPECT_NE(both.find("\"ok\""), both.rfind("\"ok\""));
  EXPECT_EQ(server.Stop(SIGINT).code, 0);
}

TEST(Serve, AStopLetsCallsInFlightEnd) {
  Background server("runners/serve", ServeArguments());
  const int port = PortOf(UrlOf(server).substr(0, UrlOf(server).rfind('/')));
  std::string answer;
  std::thread caller([&] {
    answer = Exchange(port, Call("POST /v1/completions", R"({"prompt":"Once","max_tokens":60,"temperature":0})"), 120);
  });
  while (Exchange(port, Call("GET /metrics", "")).find("orrery_requests_waiting 1") == std::string::npos)
    usleep(10'000);
  const Ended ended = server.Stop(SIGINT);
  caller.join();
  EXPECT_EQ(ended.code, 0) << ended.errors;
  EXPECT_THAT(answer, HasSubstr("\"completion_tokens\":60"));
}

TEST(Serve, WhatCannotBeServedIsToldInOneLine) {
  const fs::path folder = FreshFolder("refused");
  const Certificate made = MakeCertificate(folder);
  const std::string certificate = "serve.certificate=" + made.certificate.string();
  const auto refused = [](std::vector<std::string> arguments, const std::vector<std::string>& environment = {}) {
    arguments.insert(arguments.begin(), std::string("--model=") + kModel);
    const Ended ended = RunProgram("runners/serve", arguments, environment);
    EXPECT_EQ(ended.code, 2) << ended.errors;
    return ended.errors;
  };
  const std::vector<std::string> token = {std::string("ORRERY_SERVE_TOKEN=") + kToken};
  EXPECT_THAT(refused({"--listen=0.0.0.0:0"}), HasSubstr("serve.token_variable"));
  EXPECT_THAT(refused({"--listen=[::]:0"}), HasSubstr("serve.token_variable"));
  const std::string without_tls = refused({"--listen=0.0.0.0:0"}, token);
  EXPECT_THAT(without_tls, HasSubstr("serve.certificate and serve.private_key"));
  EXPECT_THAT(without_tls, Not(HasSubstr(kToken)));
  EXPECT_THAT(refused({"--set", certificate}), HasSubstr("both or neither"));
  EXPECT_THAT(refused({"--set", certificate, "--set", "serve.private_key=" + made.certificate.string()}),
              HasSubstr("serve.private_key"));
  EXPECT_THAT(refused({"--set", "serve.certificate=/no/file", "--set", "serve.private_key=/no/file"}),
              HasSubstr("/no/file"));
  EXPECT_THAT(refused({"--listen=example.org:80"}), HasSubstr("expected ADDRESS:PORT"));
  EXPECT_THAT(refused({"--listen=127.0.0.1"}), HasSubstr("expected ADDRESS:PORT"));
  EXPECT_THAT(
      refused({"--listen=192.0.2.1:0", "--set", certificate, "--set", "serve.private_key=" + made.key.string()}, token),
      HasSubstr("cannot be listened on"));
  EXPECT_THAT(refused({}, {"ORRERY_SERVE_TOKEN="}), HasSubstr("the token is empty"));
}

std::vector<std::string> Campaign(const fs::path& out, const std::string& url, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"--out=" + out.string(), "--quiet"};
  for (const char* setting : {"model.name=smollm2-135m-instruct", "run.limit=2", "model.precision=float32",
                              "search.rollouts=2", "search.candidates=3", "search.max_step_tokens=32",
                              "search.candidate_order=likely", "search.resamples=0", "search.top_k=50"}) {
    arguments.insert(arguments.end(), {"--set", setting});
  }
  if (!url.empty()) arguments.insert(arguments.end(), {"--set", "endpoint.url=" + url});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

nlohmann::json Summary(const fs::path& out) {
  const auto text = ReadFile(out / "summary.json");
  EXPECT_TRUE(text.ok()) << Message(text.status());
  return nlohmann::json::parse(text.value_or("{}"));
}

TEST(Endpoint, OurServerGivesTheRecordsOfTheDirectCampaign) {
  const fs::path direct = FreshFolder("direct"), remote = FreshFolder("remote"), folder = FreshFolder("made");
  const Ended here = RunProgram("runners/campaign", Campaign(direct, ""), kPortable);
  ASSERT_EQ(here.code, 0) << here.errors;

  const Certificate made = MakeCertificate(folder);
  auto environment = kPortable;
  environment.push_back(std::string("ORRERY_SERVE_TOKEN=") + kToken);
  // The server refuses what is over its limit: some calls are tried again.
  Background server(
      "runners/serve",
      ServeArguments({"--set", "serve.choices=6", "--set", "serve.certificate=" + made.certificate.string(), "--set",
                      "serve.private_key=" + made.key.string()}),
      environment);
  const std::string url = UrlOf(server);
  const std::vector<std::string> ours = {
      "--set", "endpoint.server=orrery", "--set", "endpoint.authorities=" + made.certificate.string(),
      "--set", "endpoint.retries=1000",  "--set", "endpoint.retry_most_seconds=0.2"};
  const Ended there =
      RunProgram("runners/campaign", Campaign(remote, url, ours), {std::string("ORRERY_ENDPOINT_KEY=") + kToken});
  ASSERT_EQ(there.code, 0) << there.errors;
  EXPECT_EQ(Summary(remote)["digest"], Summary(direct)["digest"]);
  EXPECT_EQ(Summary(remote)["tokens_generated"], Summary(direct)["tokens_generated"]);
  EXPECT_EQ(Summary(remote)["model"], kModel);
  // The token is in none of the run's files.
  for (const auto& file : fs::recursive_directory_iterator(remote)) {
    if (!file.is_regular_file()) continue;
    EXPECT_THAT(ReadFile(file.path()).value_or(""), Not(HasSubstr(kToken))) << file.path();
  }

  const Ended wrong =
      RunProgram("runners/campaign", Campaign(FreshFolder("wrong"), url, ours), {"ORRERY_ENDPOINT_KEY=wrong"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.errors, HasSubstr("answered with 401"));
  auto distrusting = ours;
  distrusting[3] = "endpoint.authorities=";
  const Ended distrusted = RunProgram("runners/campaign", Campaign(FreshFolder("distrusted"), url, distrusting),
                                      {std::string("ORRERY_ENDPOINT_KEY=") + kToken});
  EXPECT_EQ(distrusted.code, 1);
  EXPECT_THAT(distrusted.errors, HasSubstr("its certificate is not trusted"));
  // The certificate is another host's.
  const std::string other = "https://localhost" + url.substr(url.rfind(':'));
  const Ended mistaken = RunProgram("runners/campaign", Campaign(FreshFolder("mistaken"), other, ours),
                                    {std::string("ORRERY_ENDPOINT_KEY=") + kToken});
  EXPECT_EQ(mistaken.code, 1);
  EXPECT_THAT(mistaken.errors, HasSubstr("its certificate is not trusted"));
}

TEST(Endpoint, AServerWithoutItsTokenizerIsCountedInBytes) {
  Background server("runners/serve", ServeArguments({"--set", "serve.name=other"}));
  const std::string line = server.first_line();
  const std::string url = line.substr(0, line.find(' '));
  const fs::path out = FreshFolder("bytes");
  std::vector<std::string> more = {"--set",
                                   "endpoint.tokenizer=bytes",
                                   "--set",
                                   "search.chat_format=chatml",
                                   "--set",
                                   "model.context_length=20000",
                                   "--set",
                                   "search.max_total_tokens=8000",
                                   "--set",
                                   "search.top_k=0",
                                   "--limit=1",
                                   "--set",
                                   "model.name=/there/is/none"};
  const Ended ended = RunProgram("runners/campaign", Campaign(out, url, more));
  ASSERT_EQ(ended.code, 0) << ended.errors;
  EXPECT_EQ(Summary(out)["model"], "other");
  EXPECT_GT(Summary(out)["tokens_generated"], 0);
}

TEST(Endpoint, ACampaignTellsWhatAServerDidAndCanBeResumed) {
  bool well = false;
  HostileServer server([&](const HostileCall& call) {
    if (call.head.starts_with("GET")) return HttpAnswer(200, R"({"data":[{"id":"m","max_model_len":100000}]})");
    if (!well) return HttpAnswer(500, R"({"error":{"message":"the machine is on fire"}})");
    nlohmann::json choices = nlohmann::json::array();
    for (int i = 0; i < nlohmann::json::parse(call.body).value("n", 1); ++i)
      choices.push_back({{"index", i}, {"text", "print(1)\n<end_of_code>"}, {"finish_reason", "length"}});
    return HttpAnswer(200, nlohmann::json{{"choices", choices}}.dump());
  });
  const fs::path out = FreshFolder("fire");
  const std::vector<std::string> more = {
      "--set", "endpoint.tokenizer=bytes", "--set", "search.chat_format=chatml",   "--set",    "search.top_k=0",
      "--set", "endpoint.retries=1",       "--set", "endpoint.retry_seconds=0.01", "--limit=1"};
  const Ended burnt = RunProgram("runners/campaign", Campaign(out, server.url(), more));
  EXPECT_EQ(burnt.code, 1);
  EXPECT_THAT(burnt.errors,
              HasSubstr(server.url() + "/completions: answered with 500: the machine is on fire (tried 2 times)"));
  EXPECT_THAT(burnt.errors, HasSubstr("run the same command again"));
  well = true;
  const Ended again = RunProgram("runners/campaign", Campaign(out, server.url(), more));
  EXPECT_EQ(again.code, 0) << again.errors;
  EXPECT_EQ(Summary(out)["finished"], 1);
}

}  // namespace
}  // namespace orrery
