// SPDX-License-Identifier: Apache-2.0
#pragma once

// One connection of a server: calls are read, answered whole or piece by piece, and given up when the client has gone.

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <string>
#include <tuple>
#include <utility>

#include "base/digest.h"
#include "runners/serving/address.h"
#include "runners/serving/metrics.h"
#include "runners/serving/state.h"

namespace orrery::runners {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::awaitable;
using asio::ip::tcp;

// Errors as values, in coroutines too.
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds kIdle{75}, kTransfer{60};
constexpr std::chrono::milliseconds kLook{250};  // how soon a client that went away is noticed
constexpr uint32_t kHeaderBytes = 16 * 1024;

// `Stream` is a Beast stream, plain or TLS.
template <class Stream>
class Session {
 public:
  Session(Stream& stream, ServeState& state) : stream_(stream), state_(state) {}

  // One call after the other, until either side has had enough.
  awaitable<void> Converse() {
    const Counted connection(state_.connections);
    beast::flat_buffer buffer;
    for (bool more = true; more;) {
      http::request_parser<http::string_body> parser;
      parser.header_limit(kHeaderBytes);
      parser.body_limit(state_.options.body_bytes);
      beast::get_lowest_layer(stream_).expires_after(kIdle);
      auto [error, header_bytes] = co_await http::async_read_header(stream_, buffer, parser, kTuple);
      const Counted busy(state_.busy);
      if (!error && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
        http::response<http::empty_body> go_on{http::status::continue_, 11};
        co_await http::async_write(stream_, go_on, kTuple);
      }
      if (!error) {
        beast::get_lowest_layer(stream_).expires_after(kTransfer);
        auto [body_error, body_bytes] = co_await http::async_read(stream_, buffer, parser, kTuple);
        error = body_error;
      }
      if (error) {
        co_await Misread(error);
        co_return;
      }
      Request request = parser.release();
      more = co_await Handle(request) && request.keep_alive() && !state_.draining;
    }
  }

 private:
  using Request = http::request<http::string_body>;
  using Response = http::response<http::string_body>;

  // What could not be read as a call is answered where that makes sense, and the connection ends.
  awaitable<void> Misread(boost::system::error_code error) {
    Status status;
    if (error == http::error::body_limit)
      status = MakeStatus(absl::StatusCode::kOutOfRange, "the body is longer than {} bytes (serve.body_bytes)",
                          state_.options.body_bytes);
    else if (error != http::error::end_of_stream && error != http::error::partial_message &&
             error.category() == make_error_code(http::error::bad_method).category())
      status = InvalidInput("this is no HTTP call ({})", error.message());
    if (status.ok()) co_return;
    Response response = ErrorResponse(status, 11);
    response.keep_alive(false);
    co_await Write(response);
    // The rest is read and dropped for a moment: closing before it would reset the connection under the answer.
    boost::system::error_code ignored;
    auto& socket = beast::get_lowest_layer(stream_).socket();
    socket.shutdown(tcp::socket::shutdown_send, ignored);
    std::array<char, 16 * 1024> dropped;
    beast::get_lowest_layer(stream_).expires_after(std::chrono::seconds(2));
    for (auto [failed, bytes] =
             co_await beast::get_lowest_layer(stream_).async_read_some(asio::buffer(dropped), kTuple);
         !failed;) {
      std::tie(failed, bytes) =
          co_await beast::get_lowest_layer(stream_).async_read_some(asio::buffer(dropped), kTuple);
    }
  }

  Response Make(http::status status, unsigned version, std::string_view type, std::string body) {
    Response response{status, version};
    response.set(http::field::content_type, beast::string_view(type.data(), type.size()));
    response.set(http::field::server, "orrery");
    response.body() = std::move(body);
    return response;
  }

  Response ErrorResponse(const Status& status, unsigned version) {
    const int code = HttpStatus(status);
    Response response = Make(static_cast<http::status>(code), version, "application/json", ErrorBody(status));
    if (code == 429 || code == 503) response.set(http::field::retry_after, "1");
    if (code == 401) response.set(http::field::www_authenticate, "Bearer");
    return response;
  }

  // False where the connection is of no more use.
  awaitable<bool> Write(Response& response) {
    ++state_.answered[response.result_int()];
    response.prepare_payload();
    beast::get_lowest_layer(stream_).expires_after(kTransfer);
    const auto [error, bytes] = co_await http::async_write(stream_, response, kTuple);
    co_return !error && response.keep_alive();
  }

  awaitable<bool> Refuse(const Request& request, const Status& status) {
    Response response = ErrorResponse(status, request.version());
    response.keep_alive(request.keep_alive() && !state_.draining);
    co_return co_await Write(response);
  }

  bool Allowed(const Request& request) const {
    if (state_.options.token.empty()) return true;
    const auto header = request[http::field::authorization];
    // Equal hashes, so that the time of the comparison tells nothing.
    return Sha256Hex(std::string_view(header.data(), header.size())) == Sha256Hex("Bearer " + state_.options.token);
  }

  awaitable<bool> Handle(const Request& request) {
    std::string path(request.target().data(), request.target().size());
    path.resize(std::min(path.find('?'), path.size()));
    const auto type = path == "/metrics" ? "text/plain; version=0.0.4; charset=utf-8" : "application/json";
    if (path != "/health" && !Allowed(request))
      co_return co_await Refuse(request, MakeStatus(absl::StatusCode::kUnauthenticated, "{}",
                                                    "a token was expected (Authorization: Bearer …)"));
    const bool completion = path == "/v1/completions", chat = path == "/v1/chat/completions";
    if (completion || chat) {
      if (request.method() != http::verb::post)
        co_return co_await Refuse(request, MakeStatus(absl::StatusCode::kUnimplemented, "{} takes POST", path));
      co_return co_await Complete(request, chat);
    }
    const auto body = Page(path);
    if (!body.ok()) co_return co_await Refuse(request, body.status());
    if (request.method() != http::verb::get)
      co_return co_await Refuse(request, MakeStatus(absl::StatusCode::kUnimplemented, "{} takes GET", path));
    Response response = Make(http::status::ok, request.version(), type, *body);
    response.keep_alive(request.keep_alive() && !state_.draining);
    co_return co_await Write(response);
  }

  // What lies at a path that is only read.
  StatusOr<std::string> Page(std::string_view path) const {
    if (path == "/health") return std::string(R"({"status":"ok"})");
    if (path == "/v1/models") return ModelList(state_.model);
    if (path == "/v1/models/" + state_.model.name) return ModelEntry(state_.model);
    if (path == "/metrics")
      return MetricsPage(state_.engine->Counters(), {.connections = state_.connections,
                                                     .choices = state_.inboxes.size(),
                                                     .clients_gone = state_.clients_gone,
                                                     .answered = state_.answered});
    return NotFound(
        "{}: nothing is here; there are /v1/completions, /v1/chat/completions, /v1/models, /health, /metrics", path);
  }

  awaitable<bool> Complete(const Request& request, bool chat) {
    if (state_.draining) co_return co_await Refuse(request, Unavailable("the server is stopping"));
    const auto call = chat ? ReadChat(request.body(), state_.model) : ReadCompletion(request.body(), state_.model);
    if (!call.ok()) co_return co_await Refuse(request, call.status());
    if (state_.inboxes.size() + call->choices.size() > state_.options.most_choices) {
      co_return co_await Refuse(
          request, MakeStatus(absl::StatusCode::kResourceExhausted,
                              "{} choices are in flight, and {} more are over the limit of {}", state_.inboxes.size(),
                              call->choices.size(), state_.options.most_choices));
    }
    Claim claim(state_, *call);
    if (call->stream) co_return co_await Pieces(request, *call, claim);
    co_return co_await Whole(request, *call, claim);
  }

  // Waits for an event. False where the client went away before it came.
  awaitable<bool> Next(Inbox& inbox) {
    while (inbox.events.empty()) {
      inbox.bell.expires_after(kLook);
      co_await inbox.bell.async_wait(kTuple);
      if (inbox.events.empty() && HasHungUp(beast::get_lowest_layer(stream_).socket().native_handle())) {
        ++state_.clients_gone;
        co_return false;
      }
    }
    co_return true;
  }

  awaitable<bool> Whole(const Request& request, const ApiCall& call, Claim& claim) {
    std::vector<model::Generation> generations(call.choices.size());
    for (size_t done = 0; done < generations.size();) {
      if (!co_await Next(claim.inbox())) co_return false;
      for (EngineEvent& event : std::exchange(claim.inbox().events, {})) {
        if (!event.error.ok()) co_return co_await Refuse(request, event.error);
        if (!event.generation) continue;
        generations[claim.Index(event)] = *std::move(event.generation);
        ++done;
      }
    }
    Response response =
        Make(http::status::ok, request.version(), "application/json", Answer(call, state_.model, generations));
    response.keep_alive(request.keep_alive() && !state_.draining);
    co_return co_await Write(response);
  }

  static void AddEvent(std::string& out, const std::string& data) {
    if (!data.empty()) out += "data: " + data + "\n\n";
  }

  // Server-sent events, each in a chunk of the body as soon as there is something to tell.
  awaitable<bool> Pieces(const Request& request, const ApiCall& call, Claim& claim) {
    if (!co_await Next(claim.inbox())) co_return false;
    // An error that comes first still has an HTTP status.
    if (const Status& error = claim.inbox().events.front().error; !error.ok())
      co_return co_await Refuse(request, error);
    http::response<http::empty_body> head{http::status::ok, request.version()};
    head.set(http::field::content_type, "text/event-stream");
    head.set(http::field::cache_control, "no-cache");
    head.set(http::field::server, "orrery");
    head.keep_alive(request.keep_alive() && !state_.draining);
    head.chunked(true);
    ++state_.answered[200];
    http::response_serializer<http::empty_body> serializer(head);
    beast::get_lowest_layer(stream_).expires_after(kTransfer);
    const auto [error, bytes] = co_await http::async_write_header(stream_, serializer, kTuple);
    if (error) co_return false;

    std::vector<StreamedChoice> choices;
    std::string out;
    for (size_t i = 0; i < call.choices.size(); ++i) {
      choices.emplace_back(&call, &state_.model, i);
      if (call.chat) AddEvent(out, choices.back().Begin());
    }
    size_t tokens = 0;
    for (size_t done = 0; done < choices.size();) {
      if (!co_await Next(claim.inbox())) co_return false;
      for (const EngineEvent& event : std::exchange(claim.inbox().events, {})) {
        if (!event.error.ok()) {
          AddEvent(out, ErrorBody(event.error));
          done = choices.size();
          break;
        }
        StreamedChoice& choice = choices[claim.Index(event)];
        if (event.generation) {
          AddEvent(out, choice.End(*event.generation));
          tokens += event.generation->tokens.size();
          ++done;
        } else {
          AddEvent(out, choice.Add(event.token, event.log_probability));
        }
      }
      if (done == choices.size()) {
        if (call.include_usage) AddEvent(out, UsageChunk(call, state_.model, tokens));
        AddEvent(out, "[DONE]");
      }
      if (out.empty()) continue;
      beast::get_lowest_layer(stream_).expires_after(kTransfer);
      const auto [failed, sent] = co_await asio::async_write(stream_, http::make_chunk(asio::buffer(out)), kTuple);
      if (failed) {
        ++state_.clients_gone;
        co_return false;
      }
      out.clear();
    }
    const auto [failed, sent] = co_await asio::async_write(stream_, http::make_chunk_last(), kTuple);
    co_return !failed && head.keep_alive();
  }

  Stream& stream_;
  ServeState& state_;
};

}  // namespace orrery::runners
