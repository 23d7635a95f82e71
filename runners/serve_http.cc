// SPDX-License-Identifier: Apache-2.0
#include "runners/serve_http.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>
#include <map>
#include <unordered_map>

#include "base/digest.h"
#include "runners/serve_address.h"
#include "runners/serve_engine.h"
#include "runners/serve_metrics.h"

namespace orrery::runners {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::awaitable;
using asio::ip::tcp;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Errors as values, in coroutines too.
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr seconds kIdle{75}, kTransfer{60};
constexpr milliseconds kLook{250};  // how soon a client that went away is noticed
constexpr size_t kMostConnections = 1024;
constexpr uint32_t kHeaderBytes = 16 * 1024;

using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

Status Unauthenticated(std::string_view words) { return MakeStatus(absl::StatusCode::kUnauthenticated, "{}", words); }

// The events of one call's choices, and what wakes the coroutine that waits for them.
struct Inbox {
  explicit Inbox(asio::io_context& io) : bell(io) {}
  std::vector<EngineEvent> events;
  asio::steady_timer bell;
};

class HttpServer final : public Server {
 public:
  HttpServer(const ServeOptions& options, ServedModel model, std::unique_ptr<model::Engine> engine)
      : options_(options),
        model_(std::move(model)),
        engine_(std::make_unique<EngineThread>(std::move(engine), [this](std::vector<EngineEvent> events) {
          asio::post(io_, [this, events = std::move(events)]() mutable { Deliver(std::move(events)); });
        })) {
    model_.most_choices = static_cast<int>(options_.most_choices);
  }

  // The engine's thread posts to the context: it ends first.
  ~HttpServer() override { engine_.reset(); }

  Status Open() {
    ORRERY_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(options_.listen));
    ORRERY_RETURN_IF_ERROR(CheckExposure(options_, address));
    ORRERY_RETURN_IF_ERROR(LoadCertificate());
    boost::system::error_code error;
    const tcp::endpoint endpoint(asio::ip::make_address(address.host, error), address.port);
    if (!error) acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return InvalidInput("serve.listen: {} cannot be listened on ({})", options_.listen, error.message());
    const tcp::endpoint bound = acceptor_.local_endpoint(error);
    const bool six = bound.address().is_v6();
    url_ = fmt::format("{}://{}{}{}:{}/v1", tls_on_ ? "https" : "http", six ? "[" : "", bound.address().to_string(),
                       six ? "]" : "", bound.port());
    return absl::OkStatus();
  }

  std::string url() const override { return url_; }

  Status Run(const std::function<bool()>& stop) override {
    asio::co_spawn(io_, Accept(), Ended);
    asio::co_spawn(io_, Watch(stop), Ended);
    io_.run();
    return engine_->failure();
  }

 private:
  // The choices of a call while the engine works on them. What is not finished when it goes is cancelled.
  class Claim {
   public:
    Claim(HttpServer& server, const ApiCall& call)
        : server_(server), inbox_(server.io_), first_(server.next_), count_(call.choices.size()) {
      server_.next_ += count_;
      for (size_t i = 0; i < count_; ++i) server_.inboxes_.emplace(first_ + i, &inbox_);
      for (size_t i = 0; i < count_; ++i) {
        model::GenerationRequest request = call.choices[i];
        request.id = first_ + i;
        server_.engine_->Submit(std::move(request), call.stream);
      }
    }
    ~Claim() {
      for (size_t i = 0; i < count_; ++i) {
        if (server_.inboxes_.erase(first_ + i) > 0 && server_.engine_) server_.engine_->Cancel(first_ + i);
      }
    }
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

    Inbox& inbox() { return inbox_; }
    size_t Index(const EngineEvent& event) const { return event.id - first_; }

   private:
    HttpServer& server_;
    Inbox inbox_;
    uint64_t first_;
    size_t count_;
  };

  // Counts something for as long as it exists.
  class Counted {
   public:
    explicit Counted(size_t& count) : count_(count) { ++count_; }
    ~Counted() { --count_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

   private:
    size_t& count_;
  };

  static void Ended(const std::exception_ptr& thrown) {
    if (thrown) std::rethrow_exception(thrown);  // memory, or a mistake of ours: nothing that a client can cause
  }

  Status LoadCertificate() {
    if (options_.certificate.empty() != options_.private_key.empty())
      return InvalidInput("serve.certificate and serve.private_key: expected both or neither");
    if (options_.certificate.empty()) return absl::OkStatus();
    boost::system::error_code error;
    tls_.set_options(
        asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, error);
    if (!error) tls_.use_certificate_chain_file(options_.certificate.string(), error);
    if (error)
      return InvalidInput("serve.certificate: {} is no certificate in PEM ({})", options_.certificate.string(),
                          error.message());
    tls_.use_private_key_file(options_.private_key.string(), asio::ssl::context::pem, error);
    if (error)
      return InvalidInput("serve.private_key: {} is not that certificate's key in PEM ({})",
                          options_.private_key.string(), error.message());
    tls_on_ = true;
    return absl::OkStatus();
  }

  void Deliver(std::vector<EngineEvent> events) {
    for (EngineEvent& event : events) {
      const auto found = inboxes_.find(event.id);
      if (found == inboxes_.end()) continue;  // its client went away
      Inbox& inbox = *found->second;
      if (event.generation || !event.error.ok()) inboxes_.erase(found);
      inbox.events.push_back(std::move(event));
      inbox.bell.cancel();
    }
  }

  awaitable<void> Watch(std::function<bool()> stop) {
    asio::steady_timer timer(io_);
    while (!stop() && engine_->failure().ok()) {
      timer.expires_after(milliseconds(100));
      co_await timer.async_wait(kTuple);
    }
    draining_ = true;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(options_.grace_seconds);
    while (busy_ > 0 && std::chrono::steady_clock::now() < end) {
      timer.expires_after(milliseconds(20));
      co_await timer.async_wait(kTuple);
    }
    io_.stop();
  }

  awaitable<void> Accept() {
    while (acceptor_.is_open()) {
      auto [error, socket] = co_await acceptor_.async_accept(kTuple);
      if (error) {
        asio::steady_timer pause(io_, milliseconds(50));  // out of descriptors, say
        co_await pause.async_wait(kTuple);
        continue;
      }
      if (connections_ >= kMostConnections) continue;
      if (tls_on_) {
        asio::co_spawn(io_, Guarded(beast::ssl_stream<beast::tcp_stream>(beast::tcp_stream(std::move(socket)), tls_)),
                       Ended);
      } else {
        asio::co_spawn(io_, Plain(beast::tcp_stream(std::move(socket))), Ended);
      }
    }
  }

  awaitable<void> Plain(beast::tcp_stream stream) {
    co_await Converse(stream);
    boost::system::error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
  }

  awaitable<void> Guarded(beast::ssl_stream<beast::tcp_stream> stream) {
    beast::get_lowest_layer(stream).expires_after(kTransfer);
    const auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::server, kTuple);
    if (error) co_return;
    co_await Converse(stream);
    beast::get_lowest_layer(stream).expires_after(seconds(5));
    co_await stream.async_shutdown(kTuple);
  }

  // One call after the other, until either side has had enough.
  template <class Stream>
  awaitable<void> Converse(Stream& stream) {
    const Counted connection(connections_);
    beast::flat_buffer buffer;
    for (bool more = true; more;) {
      http::request_parser<http::string_body> parser;
      parser.header_limit(kHeaderBytes);
      parser.body_limit(options_.body_bytes);
      beast::get_lowest_layer(stream).expires_after(kIdle);
      auto [error, header_bytes] = co_await http::async_read_header(stream, buffer, parser, kTuple);
      const Counted busy(busy_);
      if (!error && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
        http::response<http::empty_body> go_on{http::status::continue_, 11};
        co_await http::async_write(stream, go_on, kTuple);
      }
      if (!error) {
        beast::get_lowest_layer(stream).expires_after(kTransfer);
        auto [body_error, body_bytes] = co_await http::async_read(stream, buffer, parser, kTuple);
        error = body_error;
      }
      if (error) {
        co_await Misread(stream, error);
        co_return;
      }
      Request request = parser.release();
      more = co_await Handle(stream, request) && request.keep_alive() && !draining_;
    }
  }

  // What could not be read as a call is answered where that makes sense, and the connection ends.
  template <class Stream>
  awaitable<void> Misread(Stream& stream, boost::system::error_code error) {
    Status status;
    if (error == http::error::body_limit)
      status = MakeStatus(absl::StatusCode::kOutOfRange, "the body is longer than {} bytes (serve.body_bytes)",
                          options_.body_bytes);
    else if (error != http::error::end_of_stream && error != http::error::partial_message &&
             error.category() == make_error_code(http::error::bad_method).category())
      status = InvalidInput("this is no HTTP call ({})", error.message());
    if (status.ok()) co_return;
    Response response = ErrorResponse(status, 11);
    response.keep_alive(false);
    if (!co_await Write(stream, response)) co_return;
    // The rest is read and dropped for a moment: closing before it would reset the connection under the answer.
    boost::system::error_code ignored;
    auto& socket = beast::get_lowest_layer(stream).socket();
    socket.shutdown(tcp::socket::shutdown_send, ignored);
    std::array<char, 16 * 1024> dropped;
    beast::get_lowest_layer(stream).expires_after(seconds(2));
    for (auto [failed, bytes] = co_await beast::get_lowest_layer(stream).async_read_some(asio::buffer(dropped), kTuple);
         !failed;) {
      std::tie(failed, bytes) = co_await beast::get_lowest_layer(stream).async_read_some(asio::buffer(dropped), kTuple);
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
  template <class Stream>
  awaitable<bool> Write(Stream& stream, Response& response) {
    ++answered_[response.result_int()];
    response.prepare_payload();
    beast::get_lowest_layer(stream).expires_after(kTransfer);
    const auto [error, bytes] = co_await http::async_write(stream, response, kTuple);
    co_return !error && response.keep_alive();
  }

  template <class Stream>
  awaitable<bool> Refuse(Stream& stream, const Request& request, const Status& status) {
    Response response = ErrorResponse(status, request.version());
    response.keep_alive(request.keep_alive() && !draining_);
    co_return co_await Write(stream, response);
  }

  bool Allowed(const Request& request) const {
    if (options_.token.empty()) return true;
    const auto header = request[http::field::authorization];
    // Equal hashes, so that the time of the comparison tells nothing.
    return Sha256Hex(std::string_view(header.data(), header.size())) == Sha256Hex("Bearer " + options_.token);
  }

  template <class Stream>
  awaitable<bool> Handle(Stream& stream, const Request& request) {
    std::string path(request.target().data(), request.target().size());
    path.resize(std::min(path.find('?'), path.size()));
    const auto type = path == "/metrics" ? "text/plain; version=0.0.4; charset=utf-8" : "application/json";
    if (path != "/health" && !Allowed(request))
      co_return co_await Refuse(stream, request, Unauthenticated("a token was expected (Authorization: Bearer …)"));
    const bool completion = path == "/v1/completions", chat = path == "/v1/chat/completions";
    if (completion || chat) {
      if (request.method() != http::verb::post)
        co_return co_await Refuse(stream, request, MakeStatus(absl::StatusCode::kUnimplemented, "{} takes POST", path));
      co_return co_await Complete(stream, request, chat);
    }
    const auto body = Page(path);
    if (!body.ok()) co_return co_await Refuse(stream, request, body.status());
    if (request.method() != http::verb::get)
      co_return co_await Refuse(stream, request, MakeStatus(absl::StatusCode::kUnimplemented, "{} takes GET", path));
    Response response = Make(http::status::ok, request.version(), type, *body);
    response.keep_alive(request.keep_alive() && !draining_);
    co_return co_await Write(stream, response);
  }

  // What lies at a path that is only read.
  StatusOr<std::string> Page(std::string_view path) const {
    if (path == "/health") return std::string(R"({"status":"ok"})");
    if (path == "/v1/models") return ModelList(model_);
    if (path == "/v1/models/" + model_.name) return ModelEntry(model_);
    if (path == "/metrics")
      return MetricsPage(engine_->Counters(), {.connections = connections_,
                                               .choices = inboxes_.size(),
                                               .clients_gone = clients_gone_,
                                               .answered = answered_});
    return NotFound(
        "{}: nothing is here; there are /v1/completions, /v1/chat/completions, /v1/models, /health, /metrics", path);
  }

  template <class Stream>
  awaitable<bool> Complete(Stream& stream, const Request& request, bool chat) {
    if (draining_) co_return co_await Refuse(stream, request, Unavailable("the server is stopping"));
    const auto call = chat ? ReadChat(request.body(), model_) : ReadCompletion(request.body(), model_);
    if (!call.ok()) co_return co_await Refuse(stream, request, call.status());
    if (inboxes_.size() + call->choices.size() > options_.most_choices) {
      co_return co_await Refuse(stream, request,
                                MakeStatus(absl::StatusCode::kResourceExhausted,
                                           "{} choices are in flight, and {} more are over the limit of {}",
                                           inboxes_.size(), call->choices.size(), options_.most_choices));
    }
    Claim claim(*this, *call);
    if (call->stream) co_return co_await Pieces(stream, request, *call, claim);
    co_return co_await Whole(stream, request, *call, claim);
  }

  // Waits for an event. False where the client went away before it came.
  template <class Stream>
  awaitable<bool> Next(Stream& stream, Inbox& inbox) {
    while (inbox.events.empty()) {
      inbox.bell.expires_after(kLook);
      co_await inbox.bell.async_wait(kTuple);
      if (inbox.events.empty() && HasHungUp(beast::get_lowest_layer(stream).socket().native_handle())) {
        ++clients_gone_;
        co_return false;
      }
    }
    co_return true;
  }

  template <class Stream>
  awaitable<bool> Whole(Stream& stream, const Request& request, const ApiCall& call, Claim& claim) {
    std::vector<model::Generation> generations(call.choices.size());
    for (size_t done = 0; done < generations.size();) {
      if (!co_await Next(stream, claim.inbox())) co_return false;
      for (EngineEvent& event : std::exchange(claim.inbox().events, {})) {
        if (!event.error.ok()) co_return co_await Refuse(stream, request, event.error);
        if (!event.generation) continue;
        generations[claim.Index(event)] = *std::move(event.generation);
        ++done;
      }
    }
    Response response =
        Make(http::status::ok, request.version(), "application/json", Answer(call, model_, generations));
    response.keep_alive(request.keep_alive() && !draining_);
    co_return co_await Write(stream, response);
  }

  static void AddEvent(std::string& out, const std::string& data) {
    if (!data.empty()) out += "data: " + data + "\n\n";
  }

  // Server-sent events, each in a chunk of the body as soon as there is something to tell.
  template <class Stream>
  awaitable<bool> Pieces(Stream& stream, const Request& request, const ApiCall& call, Claim& claim) {
    if (!co_await Next(stream, claim.inbox())) co_return false;
    // An error that comes first still has an HTTP status.
    if (const Status& error = claim.inbox().events.front().error; !error.ok())
      co_return co_await Refuse(stream, request, error);
    http::response<http::empty_body> head{http::status::ok, request.version()};
    head.set(http::field::content_type, "text/event-stream");
    head.set(http::field::cache_control, "no-cache");
    head.set(http::field::server, "orrery");
    head.keep_alive(request.keep_alive() && !draining_);
    head.chunked(true);
    ++answered_[200];
    http::response_serializer<http::empty_body> serializer(head);
    beast::get_lowest_layer(stream).expires_after(kTransfer);
    const auto [error, bytes] = co_await http::async_write_header(stream, serializer, kTuple);
    if (error) co_return false;

    std::vector<StreamedChoice> choices;
    std::string out;
    for (size_t i = 0; i < call.choices.size(); ++i) {
      choices.emplace_back(&call, &model_, i);
      if (call.chat) AddEvent(out, choices.back().Begin());
    }
    size_t tokens = 0;
    for (size_t done = 0; done < choices.size();) {
      if (!co_await Next(stream, claim.inbox())) co_return false;
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
        if (call.include_usage) AddEvent(out, UsageChunk(call, model_, tokens));
        AddEvent(out, "[DONE]");
      }
      if (out.empty()) continue;
      beast::get_lowest_layer(stream).expires_after(kTransfer);
      const auto [failed, sent] = co_await asio::async_write(stream, http::make_chunk(asio::buffer(out)), kTuple);
      if (failed) {
        ++clients_gone_;
        co_return false;
      }
      out.clear();
    }
    const auto [failed, sent] = co_await asio::async_write(stream, http::make_chunk_last(), kTuple);
    co_return !failed && head.keep_alive();
  }

  const ServeOptions options_;
  ServedModel model_;
  std::string url_;
  bool tls_on_ = false;
  bool draining_ = false;
  uint64_t next_ = 1;
  size_t connections_ = 0;
  size_t busy_ = 0;  // calls between their first byte and the last of their answer
  uint64_t clients_gone_ = 0;
  std::map<unsigned, uint64_t> answered_;         // by HTTP status
  std::unordered_map<uint64_t, Inbox*> inboxes_;  // of the choices in flight
  std::unique_ptr<EngineThread> engine_;
  asio::ssl::context tls_{asio::ssl::context::tls_server};
  asio::io_context io_{1};
  tcp::acceptor acceptor_{io_};
};

}  // namespace

StatusOr<std::unique_ptr<Server>> Server::Listen(const ServeOptions& options, ServedModel model,
                                                 std::unique_ptr<model::Engine> engine) {
  auto server = std::make_unique<HttpServer>(options, std::move(model), std::move(engine));
  ORRERY_RETURN_IF_ERROR(server->Open());
  return server;
}

}  // namespace orrery::runners
