// SPDX-License-Identifier: Apache-2.0
#include "runners/serving/http.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>

#include "base/clock.h"
#include "runners/serving/session.h"

namespace orrery::runners {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMostConnections = 1024;

class HttpServer final : public Server {
 public:
  HttpServer(const ServeOptions& options, ServedModel model, std::unique_ptr<model::Engine> engine) {
    state_.options = options;
    state_.model = std::move(model);
    state_.model.most_choices = static_cast<int>(options.most_choices);
    state_.engine = std::make_unique<EngineThread>(std::move(engine), [this](std::vector<EngineEvent> events) {
      asio::post(state_.io, [this, events = std::move(events)]() mutable { state_.Deliver(std::move(events)); });
    });
  }

  // The engine's thread posts to the context: it ends first.
  ~HttpServer() override { state_.engine.reset(); }

  Status Open() {
    ORRERY_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(state_.options.listen));
    ORRERY_RETURN_IF_ERROR(CheckExposure(address, !state_.options.token.empty(), !state_.options.certificate.empty()));
    ORRERY_RETURN_IF_ERROR(LoadCertificate());
    boost::system::error_code error;
    const tcp::endpoint endpoint(asio::ip::make_address(address.host, error), address.port);
    if (!error) acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error)
      return InvalidInput("serve.listen: {} cannot be listened on ({})", state_.options.listen, error.message());
    const tcp::endpoint bound = acceptor_.local_endpoint(error);
    const bool six = bound.address().is_v6();
    url_ = fmt::format("{}://{}{}{}:{}/v1", tls_on_ ? "https" : "http", six ? "[" : "", bound.address().to_string(),
                       six ? "]" : "", bound.port());
    return absl::OkStatus();
  }

  std::string url() const override { return url_; }

  Status Run(const std::function<bool()>& stop) override {
    asio::co_spawn(state_.io, Accept(), Ended);
    asio::co_spawn(state_.io, Watch(stop), Ended);
    state_.io.run();
    return state_.engine->failure();
  }

 private:
  static void Ended(const std::exception_ptr& thrown) {
    if (thrown) std::rethrow_exception(thrown);  // memory, or a mistake of ours: nothing that a client can cause
  }

  Status LoadCertificate() {
    if (state_.options.certificate.empty() != state_.options.private_key.empty())
      return InvalidInput("serve.certificate and serve.private_key: expected both or neither");
    if (state_.options.certificate.empty()) return absl::OkStatus();
    boost::system::error_code error;
    tls_.set_options(
        asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, error);
    if (!error) tls_.use_certificate_chain_file(state_.options.certificate.string(), error);
    if (error)
      return InvalidInput("serve.certificate: {} is no certificate in PEM ({})", state_.options.certificate.string(),
                          error.message());
    tls_.use_private_key_file(state_.options.private_key.string(), asio::ssl::context::pem, error);
    if (error)
      return InvalidInput("serve.private_key: {} is not that certificate's key in PEM ({})",
                          state_.options.private_key.string(), error.message());
    tls_on_ = true;
    return absl::OkStatus();
  }

  awaitable<void> Watch(std::function<bool()> stop) {
    asio::steady_timer timer(state_.io);
    while (!stop() && state_.engine->failure().ok()) {
      timer.expires_after(milliseconds(100));
      co_await timer.async_wait(kTuple);
    }
    state_.draining = true;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    const auto end = SecondsFromNow(state_.options.grace_seconds);
    while (state_.busy > 0 && Clock::now() < end) {
      timer.expires_after(milliseconds(20));
      co_await timer.async_wait(kTuple);
    }
    state_.io.stop();
  }

  awaitable<void> Accept() {
    while (acceptor_.is_open()) {
      auto [error, socket] = co_await acceptor_.async_accept(kTuple);
      if (error) {
        asio::steady_timer pause(state_.io, milliseconds(50));  // out of descriptors, say
        co_await pause.async_wait(kTuple);
        continue;
      }
      if (state_.connections >= kMostConnections) continue;
      if (tls_on_) {
        asio::co_spawn(state_.io,
                       Guarded(beast::ssl_stream<beast::tcp_stream>(beast::tcp_stream(std::move(socket)), tls_)),
                       Ended);
      } else {
        asio::co_spawn(state_.io, Plain(beast::tcp_stream(std::move(socket))), Ended);
      }
    }
  }

  awaitable<void> Plain(beast::tcp_stream stream) {
    co_await Session(stream, state_).Converse();
    boost::system::error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
  }

  awaitable<void> Guarded(beast::ssl_stream<beast::tcp_stream> stream) {
    beast::get_lowest_layer(stream).expires_after(kTransfer);
    const auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::server, kTuple);
    if (error) co_return;
    co_await Session(stream, state_).Converse();
    beast::get_lowest_layer(stream).expires_after(std::chrono::seconds(5));
    co_await stream.async_shutdown(kTuple);
  }

  std::string url_;
  bool tls_on_ = false;
  asio::ssl::context tls_{asio::ssl::context::tls_server};
  ServeState state_;  // its connections use the above
  tcp::acceptor acceptor_{state_.io};
};

}  // namespace

StatusOr<std::unique_ptr<Server>> Server::Listen(const ServeOptions& options, ServedModel model,
                                                 std::unique_ptr<model::Engine> engine) {
  auto server = std::make_unique<HttpServer>(options, std::move(model), std::move(engine));
  ORRERY_RETURN_IF_ERROR(server->Open());
  return server;
}

}  // namespace orrery::runners
