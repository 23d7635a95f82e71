// SPDX-License-Identifier: Apache-2.0
#pragma once

// A thread of its own for an engine, so that a server never waits for a batch: requests and cancellations go in from
// any thread, events come out after each batch.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "model/engine.h"

namespace orrery::runners {

// What happened to a request: a token was sampled, it is finished, or it cannot be answered.
struct EngineEvent {
  uint64_t id = 0;
  model::TokenId token = 0;  // where there is neither a generation nor an error
  double log_probability = 0;
  std::optional<model::Generation> generation;
  Status error;
};

class EngineThread {
 public:
  // `hear` is called on the engine's thread with the events of a batch, in their order.
  EngineThread(std::unique_ptr<model::Engine> engine, std::function<void(std::vector<EngineEvent>)> hear);
  // What is in flight is given up, without an event.
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // Tokens are told as they come if `tokens`. Ids must differ among the requests in flight.
  void Submit(model::GenerationRequest request, bool tokens);
  void Cancel(uint64_t id);

  // As of the last batch.
  model::EngineCounters Counters() const;
  // Why the engine can do nothing any more; OK while it can.
  Status failure() const;

 private:
  struct Order {
    model::GenerationRequest request;
    bool tokens = false;
    bool cancel = false;
  };

  void Run();
  void Take(std::vector<Order> orders);
  void Batch();
  void Tell();

  std::unique_ptr<model::Engine> engine_;
  std::function<void(std::vector<EngineEvent>)> hear_;
  std::vector<EngineEvent> events_;  // of the engine's thread alone
  std::vector<uint64_t> in_flight_;  // of the engine's thread alone

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Order> orders_;
  model::EngineCounters counters_;
  Status failure_;
  bool ending_ = false;

  std::thread thread_;  // last: it uses all the above
};

}  // namespace orrery::runners
