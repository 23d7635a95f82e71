// SPDX-License-Identifier: Apache-2.0
#include "runners/serving/engine.h"

#include <utility>

namespace orrery::runners {

EngineThread::EngineThread(std::unique_ptr<model::Engine> engine, std::function<void(std::vector<EngineEvent>)> hear)
    : engine_(std::move(engine)), hear_(std::move(hear)), counters_(engine_->Counters()), thread_([this] { Run(); }) {}

EngineThread::~EngineThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void EngineThread::Submit(model::GenerationRequest request, bool tokens) {
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back({.request = std::move(request), .tokens = tokens});
  }
  wake_.notify_one();
}

void EngineThread::Cancel(uint64_t id) {
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back({.cancel = true});
    orders_.back().request.id = id;
  }
  wake_.notify_one();
}

model::EngineCounters EngineThread::Counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

Status EngineThread::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void EngineThread::Run() {
  for (;;) {
    std::vector<Order> orders;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return ending_ || !orders_.empty() || !engine_->Idle(); });
      if (ending_) return;
      orders.swap(orders_);
    }
    Take(std::move(orders));
    Batch();
    Tell();
  }
}

void EngineThread::Take(std::vector<Order> orders) {
  for (Order& order : orders) {
    const uint64_t id = order.request.id;
    if (order.cancel) {
      engine_->Cancel(id);
      std::erase(in_flight_, id);
      continue;
    }
    if (order.tokens) {
      order.request.on_token = [this, id](model::TokenId token, double log_probability) {
        events_.push_back({.id = id, .token = token, .log_probability = log_probability});
      };
    }
    Status status = failure();
    if (status.ok()) status = engine_->Submit(std::move(order.request));
    if (status.ok()) {
      in_flight_.push_back(id);
    } else {
      events_.push_back({.id = id, .error = std::move(status)});
    }
  }
}

void EngineThread::Batch() {
  if (engine_->Idle()) return;
  auto finished = engine_->Step();
  if (finished.ok()) {
    for (model::Generation& generation : *finished) {
      const uint64_t id = generation.id;
      std::erase(in_flight_, id);
      events_.push_back({.id = id, .generation = std::move(generation)});
    }
    return;
  }
  for (const uint64_t id : std::exchange(in_flight_, {})) {
    engine_->Cancel(id);
    events_.push_back({.id = id, .error = finished.status()});
  }
  const std::lock_guard lock(mutex_);
  failure_ = finished.status();
}

void EngineThread::Tell() {
  {
    const std::lock_guard lock(mutex_);
    counters_ = engine_->Counters();
  }
  if (!events_.empty()) hear_(std::exchange(events_, {}));
}

}  // namespace orrery::runners
