// SPDX-License-Identifier: Apache-2.0
#include "model/endpoint/http_client.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>
#include <ctime>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "model/endpoint/endpoint_wire.h"

namespace orrery::model {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::awaitable;
using asio::ip::tcp;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

std::chrono::nanoseconds Duration(double seconds) {
  return std::chrono::nanoseconds(static_cast<int64_t>(seconds * 1e9));
}

struct Call {
  http::verb verb = http::verb::post;
  std::string target;
  std::string body;
  HttpClient::Check check;
  HttpClient::Done done;
};

// One connection to the server, plain or TLS.
struct Connection {
  std::optional<beast::ssl_stream<beast::tcp_stream>> guarded;
  std::optional<beast::tcp_stream> plain;
  beast::flat_buffer buffer;

  beast::tcp_stream& lowest() { return guarded ? guarded->next_layer() : *plain; }
};

// What came of one try.
struct Try {
  Status status;           // OK: `body` is the answer
  bool may_pass = false;   // an error that another try may not meet
  bool stale = false;      // a kept connection that the server had closed: no try at all
  double retry_after = 0;  // seconds that the server asked for
  std::string body;
};

Try MayPass(Status status) { return {.status = std::move(status), .may_pass = true}; }

class PooledClient final : public HttpClient {
 public:
  PooledClient(const HttpClientOptions& options, HttpAddress address)
      : options_(options), address_(std::move(address)) {}

  ~PooledClient() override {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Status Start() {
    boost::system::error_code error;
    tls_.set_verify_mode(asio::ssl::verify_peer);
    if (options_.authorities.empty()) {
      tls_.set_default_verify_paths(error);
    } else {
      tls_.load_verify_file(options_.authorities.string(), error);
      if (error)
        return InvalidInput("endpoint.authorities: {} holds no certificates in PEM ({})", options_.authorities.string(),
                            error.message());
    }
    for (int i = 0; i < options_.connections; ++i) asio::co_spawn(io_, Work(), asio::detached);
    thread_ = std::thread([this] {
      const auto busy = asio::make_work_guard(io_);
      io_.run();
    });
    return absl::OkStatus();
  }

  void Post(std::string path, std::string body, Check check, Done done) override {
    Put({http::verb::post, address_.path + path, std::move(body), std::move(check), std::move(done)});
  }

  StatusOr<std::string> Get(std::string path) override {
    auto answer = std::make_shared<std::promise<StatusOr<std::string>>>();
    auto future = answer->get_future();
    Put({http::verb::get, address_.path + path, "", nullptr,
         [answer](StatusOr<std::string> body) { answer->set_value(std::move(body)); }});
    return future.get();
  }

  HttpCounters Counters() const override {
    const std::lock_guard lock(mutex_);
    return counters_;
  }

 private:
  void Put(Call call) {
    asio::post(io_, [this, call = std::move(call)]() mutable {
      calls_.push_back(std::move(call));
      bell_.cancel_one();
    });
  }

  // A connection's life: one call after the other, each until it is answered or given up.
  awaitable<void> Work() {
    std::optional<Connection> connection;
    for (;;) {
      while (calls_.empty()) co_await bell_.async_wait(kTuple);
      const Call call = std::move(calls_.front());
      calls_.pop_front();
      auto answer = co_await Persist(call, connection);
      Count(1, 0);
      call.done(std::move(answer));
    }
  }

  void Count(uint64_t calls, uint64_t retries) {
    const std::lock_guard lock(mutex_);
    counters_.calls += calls;
    counters_.retries += retries;
  }

  awaitable<StatusOr<std::string>> Persist(const Call& call, std::optional<Connection>& connection) {
    for (int tries = 1;; ++tries) {
      Try one = co_await Attempt(call, connection);
      if (one.stale) one = co_await Attempt(call, connection);
      if (one.status.ok()) co_return std::move(one.body);
      if (!one.may_pass || tries > options_.retries) {
        const std::string often = tries == 1 ? "" : fmt::format(" (tried {} times)", tries);
        co_return MakeStatus(one.status.code(), "{}: {}{}", Url(call), Redacted(Message(one.status)), often);
      }
      Count(0, 1);
      asio::steady_timer pause(io_, Duration(Pause(tries, one.retry_after)));
      co_await pause.async_wait(kTuple);
    }
  }

  std::string Url(const Call& call) const {
    const bool six = address_.host.find(':') != std::string::npos;
    return fmt::format("{}://{}{}{}:{}{}", address_.tls ? "https" : "http", six ? "[" : "", address_.host,
                       six ? "]" : "", address_.port, call.target);
  }

  // Some servers repeat the key that they refuse.
  std::string Redacted(std::string text) const {
    if (options_.key.empty()) return text;
    for (size_t at; (at = text.find(options_.key)) != std::string::npos;) text.replace(at, options_.key.size(), "…");
    return text;
  }

  double Pause(int tries, double retry_after) {
    const double doubled = options_.retry_seconds * std::ldexp(1.0, std::min(tries - 1, 30));
    const double jitter = 1 - 0.5 * std::generate_canonical<double, 32>(random_);
    return std::min(options_.retry_most_seconds, std::max(doubled * jitter, retry_after));
  }

  awaitable<Try> Attempt(const Call& call, std::optional<Connection>& connection) {
    const bool kept = connection.has_value();
    if (!kept) {
      connection.emplace();
      if (Try failed = co_await Connect(*connection); !failed.status.ok()) {
        connection.reset();
        co_return failed;
      }
    }
    connection->lowest().expires_after(Duration(options_.answer_seconds));
    http::response_parser<http::string_body> parser;
    parser.body_limit(options_.answer_bytes);
    const auto request = RequestOf(call);
    const boost::system::error_code error =
        connection->guarded ? co_await Exchange(*connection->guarded, connection->buffer, request, parser)
                            : co_await Exchange(*connection->plain, connection->buffer, request, parser);
    if (error || !parser.keep_alive()) connection.reset();
    if (error) {
      if (kept && !parser.got_some()) co_return Try{.status = Failed("closed"), .stale = true};
      co_return MayPass(WhatFailed(error, parser));
    }
    co_return Judge(call, parser.release());
  }

  template <class Parser>
  Status WhatFailed(boost::system::error_code error, const Parser& parser) const {
    if (error == beast::error::timeout)
      return Unavailable("no whole answer within {} s (endpoint.answer_seconds)", options_.answer_seconds);
    if (error == http::error::body_limit) return Unavailable("an answer of more than {} bytes", options_.answer_bytes);
    if (error == http::error::end_of_stream || error == asio::error::connection_reset || error == asio::error::eof)
      return Unavailable("the connection was closed before an answer came");
    if (error == http::error::partial_message || error == asio::ssl::error::stream_truncated)
      return Unavailable("half an answer: the connection was closed in the middle of it");
    return Unavailable("no answer in HTTP ({})", error.message());
  }

  http::request<http::string_body> RequestOf(const Call& call) const {
    http::request<http::string_body> request{call.verb, call.target, 11};
    request.set(http::field::host, address_.host + ":" + address_.port);
    request.set(http::field::user_agent, "orrery");
    request.set(http::field::accept, "application/json");
    if (!options_.key.empty()) request.set(http::field::authorization, "Bearer " + options_.key);
    if (call.verb == http::verb::post) request.set(http::field::content_type, "application/json");
    request.body() = call.body;
    request.prepare_payload();
    return request;
  }

  template <class Stream, class Parser>
  static awaitable<boost::system::error_code> Exchange(Stream& stream, beast::flat_buffer& buffer,
                                                       const http::request<http::string_body>& request,
                                                       Parser& parser) {
    const auto [write_error, written] = co_await http::async_write(stream, request, kTuple);
    if (write_error) co_return write_error;
    const auto [read_error, read] = co_await http::async_read(stream, buffer, parser, kTuple);
    co_return read_error;
  }

  awaitable<Try> Connect(Connection& connection) {
    tcp::resolver resolver(io_);
    const auto [unknown, places] = co_await resolver.async_resolve(address_.host, address_.port, kTuple);
    if (unknown) co_return MayPass(Unavailable("the host is not known ({})", unknown.message()));
    if (address_.tls) {
      connection.guarded.emplace(beast::tcp_stream(io_), tls_);
    } else {
      connection.plain.emplace(io_);
    }
    connection.lowest().expires_after(Duration(options_.connect_seconds));
    const auto [refused, place] = co_await connection.lowest().async_connect(places, kTuple);
    if (refused) co_return MayPass(NoConnection(refused));
    boost::system::error_code ignored;
    connection.lowest().socket().set_option(tcp::no_delay(true), ignored);
    if (!address_.tls) co_return Try{};
    auto& stream = *connection.guarded;
    SSL_set_tlsext_host_name(stream.native_handle(), address_.host.c_str());
    stream.set_verify_callback(asio::ssl::host_name_verification(address_.host));
    const auto [failed] = co_await stream.async_handshake(asio::ssl::stream_base::client, kTuple);
    if (!failed) co_return Try{};
    // Another try would meet the same certificate.
    if (const long verdict = SSL_get_verify_result(stream.native_handle()); verdict != X509_V_OK)
      co_return Try{.status = Unavailable("its certificate is not trusted ({}); endpoint.authorities names others",
                                          X509_verify_cert_error_string(verdict))};
    co_return MayPass(NoConnection(failed));
  }

  Status NoConnection(boost::system::error_code error) const {
    if (error == beast::error::timeout)
      return Unavailable("no connection within {} s (endpoint.connect_seconds)", options_.connect_seconds);
    return Unavailable("no connection ({})", error.message());
  }

  // What a whole answer means.
  Try Judge(const Call& call, http::response<http::string_body> response) const {
    const unsigned code = response.result_int();
    if (code / 100 == 2) {
      Status status = call.check ? call.check(response.body()) : absl::OkStatus();
      return {.status = std::move(status), .may_pass = true, .body = std::move(response.body())};
    }
    Try failed;
    failed.may_pass = code == 408 || code == 409 || code == 429 || code >= 500;
    const std::string words = fmt::format("answered with {}: {}", code, ErrorWords(response.body()));
    failed.status = failed.may_pass ? Unavailable("{}", words) : InvalidInput("{}", words);
    const auto header = response[http::field::retry_after];
    failed.retry_after = RetryAfterSeconds(std::string_view(header.data(), header.size()), std::time(nullptr));
    return failed;
  }

  const HttpClientOptions options_;
  const HttpAddress address_;
  std::mt19937 random_{std::random_device{}()};
  mutable std::mutex mutex_;
  HttpCounters counters_;
  std::deque<Call> calls_;  // of the client's thread alone
  asio::ssl::context tls_{asio::ssl::context::tls_client};
  asio::io_context io_{1};
  asio::steady_timer bell_{io_, asio::steady_timer::time_point::max()};  // rung for each call
  std::thread thread_;
};

}  // namespace

StatusOr<std::unique_ptr<HttpClient>> HttpClient::Create(const HttpClientOptions& options) {
  auto parsed = ParseHttpAddress(options.url);
  if (!parsed.ok()) return Annotate(parsed.status(), "endpoint.url");
  HttpAddress address = *std::move(parsed);
  const auto odd = [](unsigned char c) { return c <= ' ' || c >= 127; };
  if (std::any_of(options.key.begin(), options.key.end(), odd))
    return InvalidInput(
        "endpoint.key_variable: the key holds a blank, a line's end or the like; expected visible ASCII");
  if (!options.key.empty() && !address.tls && !address.loopback)
    return InvalidInput("endpoint.url: the key would travel to {} in the clear; expected https, or no key",
                        options.url);
  auto client = std::make_unique<PooledClient>(options, std::move(address));
  ORRERY_RETURN_IF_ERROR(client->Start());
  return client;
}

}  // namespace orrery::model
