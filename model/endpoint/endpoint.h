// SPDX-License-Identifier: Apache-2.0
#pragma once

// An engine whose model runs elsewhere: requests go to an OpenAI-compatible server, many at a time.
//
// Requests that differ only in their random stream share a call (`choices`). A call that fails for good fails the next
// Step(). What a server generates is its own affair; with our own (EndpointServer::kOrrery, token prompts) it is what
// the same model gives here, to the byte.

#include <memory>
#include <string>

#include "model/endpoint/endpoint_wire.h"
#include "model/endpoint/http_client.h"
#include "model/engine.h"

namespace orrery::model {

struct EndpointOptions {
  HttpClientOptions http;
  EndpointDialect dialect;    // an empty model takes the only one that the server lists
  int choices = 8;            // of one call at most
  int context_length = 0;     // 0: what the server tells
  int context_otherwise = 0;  // where the server does not tell either
};

// An engine that says what its server's model is called.
class EndpointEngine : public Engine {
 public:
  // Asks the server for its models. The error names the address and what is wrong, or what has to be set.
  static StatusOr<std::unique_ptr<EndpointEngine>> Connect(const EndpointOptions& options,
                                                           std::unique_ptr<Tokenizer> tokenizer);

  virtual const std::string& model() const = 0;
  virtual HttpCounters Calls() const = 0;
};

}  // namespace orrery::model
