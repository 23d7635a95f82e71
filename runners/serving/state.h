// SPDX-License-Identifier: Apache-2.0
#pragma once

// What all connections of a server share, on the one thread that serves them.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runners/serving/api.h"
#include "runners/serving/engine.h"
#include "runners/serving/http.h"

namespace orrery::runners {

// The events of one call's choices, and what wakes the coroutine that waits for them.
struct Inbox {
  explicit Inbox(boost::asio::io_context& io) : bell(io) {}
  std::vector<EngineEvent> events;
  boost::asio::steady_timer bell;
};

struct ServeState {
  ServeOptions options;
  ServedModel model;
  bool draining = false;  // no call is taken any more
  uint64_t next = 1;
  size_t connections = 0;
  size_t busy = 0;  // calls between their first byte and the last of their answer
  uint64_t clients_gone = 0;
  std::map<unsigned, uint64_t> answered;         // by HTTP status
  std::unordered_map<uint64_t, Inbox*> inboxes;  // of the choices in flight
  std::unique_ptr<EngineThread> engine;
  boost::asio::io_context io{1};

  // Events go where their choices' calls wait.
  void Deliver(std::vector<EngineEvent> events) {
    for (EngineEvent& event : events) {
      const auto found = inboxes.find(event.id);
      if (found == inboxes.end()) continue;  // its client went away
      Inbox& inbox = *found->second;
      if (event.generation || !event.error.ok()) inboxes.erase(found);
      inbox.events.push_back(std::move(event));
      inbox.bell.cancel();
    }
  }
};

// The choices of a call while the engine works on them. What is not finished when it goes is cancelled.
class Claim {
 public:
  Claim(ServeState& state, const ApiCall& call)
      : state_(state), inbox_(state.io), first_(state.next), count_(call.choices.size()) {
    state_.next += count_;
    for (size_t i = 0; i < count_; ++i) state_.inboxes.emplace(first_ + i, &inbox_);
    for (size_t i = 0; i < count_; ++i) {
      model::GenerationRequest request = call.choices[i];
      request.id = first_ + i;
      state_.engine->Submit(std::move(request), call.stream);
    }
  }
  ~Claim() {
    for (size_t i = 0; i < count_; ++i) {
      if (state_.inboxes.erase(first_ + i) > 0 && state_.engine) state_.engine->Cancel(first_ + i);
    }
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

  Inbox& inbox() { return inbox_; }
  size_t Index(const EngineEvent& event) const { return event.id - first_; }

 private:
  ServeState& state_;
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

}  // namespace orrery::runners
