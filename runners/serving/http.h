// SPDX-License-Identifier: Apache-2.0
#pragma once

// An OpenAI-compatible server around one engine: /v1/completions, /v1/chat/completions, /v1/models, /health, /metrics,
// over HTTP/1.1 or TLS.
//
// Connections are coroutines of one thread; the engine has a thread of its own. What is in flight is bounded (429
// beyond it), and a client that goes away frees what it asked for.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "model/engine.h"
#include "runners/serving/api.h"

namespace orrery::runners {

struct ServeOptions {
  std::string listen = "127.0.0.1:8080";  // ADDRESS:PORT, [ADDRESS]:PORT for IPv6; port 0 takes any free one
  std::filesystem::path certificate;      // PEM; with the key it makes the server speak TLS
  std::filesystem::path private_key;
  std::string token;          // what callers must send as a bearer; empty: nothing
  size_t most_choices = 256;  // in flight, of all calls together
  size_t body_bytes = size_t{4} << 20;
  double grace_seconds = 30;  // for what is in flight when the server is to stop
};

class Server {
 public:
  // Listens; from now on connections queue. InvalidInput names the option that cannot be used: an address that is not
  // the machine's own needs a token and TLS.
  static StatusOr<std::unique_ptr<Server>> Listen(const ServeOptions& options, ServedModel model,
                                                  std::unique_ptr<model::Engine> engine);
  virtual ~Server() = default;

  virtual std::string url() const = 0;  // "http://127.0.0.1:8080/v1"

  // Serves until `stop` (asked ten times a second) says so and what is in flight is answered, or until the engine
  // fails.
  virtual Status Run(const std::function<bool()>& stop) = 0;
};

}  // namespace orrery::runners
