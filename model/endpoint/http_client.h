// SPDX-License-Identifier: Apache-2.0
#pragma once

// Calls to one HTTP server, many at once: kept connections, TLS, deadlines, and retries where a failure may pass.
//
// Each of `connections` is used for one call at a time; calls beyond them wait in order. A call is tried again after no
// connection, no answer in time, half an answer, an answer that `check` refuses, and the statuses 408, 409, 429 and
// 5xx; the pause doubles each time, less a random part of up to a half, and a longer Retry-After is obeyed. All else is
// final at once.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace orrery::model {

struct HttpAddress {
  bool tls = false;
  std::string host;  // without the brackets of IPv6
  std::string port;
  std::string path;  // without a slash at the end: "/v1"
  bool loopback = false;
};

// http://HOST[:PORT][/PATH] or https://…; no user, no query.
StatusOr<HttpAddress> ParseHttpAddress(std::string_view url);

// Seconds to wait by a Retry-After header: a number, or a date that is compared with `now` (seconds since 1970). 0
// where it is neither.
double RetryAfterSeconds(std::string_view header, int64_t now);

struct HttpClientOptions {
  std::string url;                    // calls go to paths below it
  std::string key;                    // sent as a bearer token; stands in no message. Empty: none
  std::filesystem::path authorities;  // certificates that are trusted; empty: the system's
  int connections = 1;
  double connect_seconds = 10;
  double answer_seconds = 300;
  int retries = 6;
  double retry_seconds = 0.5;
  double retry_most_seconds = 60;
  size_t answer_bytes = size_t{64} << 20;  // longest answer
};

struct HttpCounters {
  uint64_t calls = 0;    // answered in the end, or given up
  uint64_t retries = 0;  // tries after the first
};

class HttpClient {
 public:
  // OK where an answer's body is one; its error is a failure that may pass.
  using Check = std::function<Status(std::string_view body)>;
  using Done = std::function<void(StatusOr<std::string> body)>;

  // InvalidInput names the address or the file that cannot be used, and a key that would travel in the clear.
  static StatusOr<std::unique_ptr<HttpClient>> Create(const HttpClientOptions& options);
  // Calls in flight are dropped: their `done` is never called.
  virtual ~HttpClient() = default;

  // POST of a JSON body to a path below the address ("/completions"). `done` is called on the client's own thread, with
  // the body of the answer, or with why there is none: the address, what happened, and how often it was tried.
  virtual void Post(std::string path, std::string body, Check check, Done done) = 0;
  // GET; waits.
  virtual StatusOr<std::string> Get(std::string path) = 0;

  virtual HttpCounters Counters() const = 0;
};

}  // namespace orrery::model
