// SPDX-License-Identifier: Apache-2.0
#include "model/shared_engine.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

namespace orrery::model {

// The engine, and who is owed what. All but `engine` is guarded by `mutex`; the engine belongs to whoever set `busy`.
class SharedEngine::Host {
 public:
  explicit Host(std::unique_ptr<Engine> engine) : engine_(std::move(engine)), counters_(engine_->Counters()) {}

  // What came for one share and was not taken yet.
  struct Inbox {
    std::vector<Generation> finished;
    Status failure;
  };

  const Engine& engine() const { return *engine_; }

  void Submit(uint64_t share, GenerationRequest request) {
    const std::lock_guard lock(mutex_);
    const uint64_t id = next_++;
    owners_[id] = {share, request.id};
    request.id = id;
    orders_.push_back({std::move(request), false});
  }

  // One request of a share, or all of them; how many there were.
  size_t Cancel(uint64_t share, std::optional<uint64_t> request) {
    const std::lock_guard lock(mutex_);
    size_t forgotten = 0;
    for (auto it = owners_.begin(); it != owners_.end();) {
      if (it->second.share != share || (request && it->second.request != *request)) {
        ++it;
        continue;
      }
      orders_.push_back({.cancel = true});
      orders_.back().request.id = it->first;
      it = owners_.erase(it);
      ++forgotten;
    }
    return forgotten;
  }

  uint64_t Enter() {
    const std::lock_guard lock(mutex_);
    inboxes_[next_share_];
    return next_share_++;
  }

  void Leave(uint64_t share) {
    Cancel(share, std::nullopt);
    const std::lock_guard lock(mutex_);
    inboxes_.erase(share);
  }

  // At most one batch later: what has come for this share, which may be nothing.
  Inbox Step(uint64_t share) {
    std::unique_lock lock(mutex_);
    if (Empty(inboxes_.at(share))) {
      if (busy_) {
        const uint64_t now = batches_;
        wake_.wait(lock, [&] { return batches_ != now; });
      } else {
        Batch(lock);
      }
    }
    return std::exchange(inboxes_.at(share), {});
  }

  EngineCounters Counters() const {
    const std::lock_guard lock(mutex_);
    return counters_;
  }

  StatusOr<std::vector<float>> Logits(const std::vector<TokenId>& prompt) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return !busy_; });
    return engine_->Logits(prompt);
  }

 private:
  struct Owner {
    uint64_t share = 0;
    uint64_t request = 0;  // the share's own number
  };
  struct Order {
    GenerationRequest request;
    bool cancel = false;
  };

  static bool Empty(const Inbox& inbox) { return inbox.finished.empty() && inbox.failure.ok(); }

  void Fail(uint64_t id, const Status& why) {
    const auto owner = owners_.extract(id);
    if (!owner.empty()) inboxes_.at(owner.mapped().share).failure.Update(why);
  }

  void Batch(std::unique_lock<std::mutex>& lock) {
    busy_ = true;
    std::vector<Order> orders = std::exchange(orders_, {});
    lock.unlock();
    std::vector<std::pair<uint64_t, Status>> refused;
    for (Order& order : orders) {
      const uint64_t id = order.request.id;
      if (order.cancel) {
        engine_->Cancel(id);
        continue;
      }
      Status status = engine_->Submit(std::move(order.request));
      if (!status.ok()) refused.emplace_back(id, std::move(status));
    }
    auto finished = engine_->Step();
    const EngineCounters counters = engine_->Counters();
    lock.lock();
    counters_ = counters;
    for (const auto& [id, status] : refused) Fail(id, status);
    if (finished.ok()) {
      for (Generation& generation : *finished) {
        const auto owner = owners_.extract(generation.id);
        if (owner.empty()) continue;  // forgotten meanwhile
        generation.id = owner.mapped().request;
        inboxes_.at(owner.mapped().share).finished.push_back(std::move(generation));
      }
    } else {
      // Whoever waits hears of it, as the only user of a broken engine does.
      for (const auto& [id, owner] : std::exchange(owners_, {})) {
        orders_.push_back({.cancel = true});
        orders_.back().request.id = id;
        inboxes_.at(owner.share).failure.Update(finished.status());
      }
    }
    busy_ = false;
    ++batches_;
    wake_.notify_all();
  }

  const std::unique_ptr<Engine> engine_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Order> orders_;
  std::unordered_map<uint64_t, Owner> owners_;  // by the engine's number of a request
  std::unordered_map<uint64_t, Inbox> inboxes_;
  EngineCounters counters_;
  uint64_t next_ = 0, next_share_ = 0;
  uint64_t batches_ = 0;
  bool busy_ = false;
};

class SharedEngine::Part : public Engine {
 public:
  explicit Part(std::shared_ptr<Host> host)
      : host_(std::move(host)), share_(host_->Enter()), before_(host_->Counters()) {}
  ~Part() override { host_->Leave(share_); }

  const Tokenizer& tokenizer() const override { return host_->engine().tokenizer(); }
  int context_length() const override { return host_->engine().context_length(); }
  bool scores() const override { return host_->engine().scores(); }

  Status Submit(GenerationRequest request) override {
    if (request.on_token) return InvalidInput("a share of an engine tells whole results, not tokens as they come");
    ++in_flight_;
    ++own_.requests;
    host_->Submit(share_, std::move(request));
    return absl::OkStatus();
  }

  void Cancel(uint64_t id) override { in_flight_ -= host_->Cancel(share_, id); }

  StatusOr<std::vector<Generation>> Step() override {
    if (Idle()) return std::vector<Generation>();
    Host::Inbox inbox = host_->Step(share_);
    if (!inbox.failure.ok()) {
      host_->Cancel(share_, std::nullopt);
      in_flight_ = 0;
      return inbox.failure;
    }
    in_flight_ -= inbox.finished.size();
    for (const Generation& generation : inbox.finished) own_.tokens_generated += generation.tokens.size();
    return std::move(inbox.finished);
  }

  bool Idle() const override { return in_flight_ == 0; }

  EngineCounters Counters() const override {
    EngineCounters counters = host_->Counters();
    counters.batches -= before_.batches;
    counters.rows -= before_.rows;
    counters.prompt_rows -= before_.prompt_rows;
    counters.scored -= before_.scored;
    counters.prefix_tokens_reused -= before_.prefix_tokens_reused;
    counters.requests_coalesced -= before_.requests_coalesced;
    counters.busy_seconds -= before_.busy_seconds;
    counters.pages_evicted -= before_.pages_evicted;
    counters.requests = own_.requests;
    counters.tokens_generated = own_.tokens_generated;
    return counters;
  }

  StatusOr<std::vector<float>> Logits(const std::vector<TokenId>& prompt) override { return host_->Logits(prompt); }

 private:
  const std::shared_ptr<Host> host_;
  const uint64_t share_;
  const EngineCounters before_;
  EngineCounters own_;
  size_t in_flight_ = 0;
};

SharedEngine::SharedEngine(std::unique_ptr<Engine> engine) : host_(std::make_shared<Host>(std::move(engine))) {}
SharedEngine::~SharedEngine() = default;

std::shared_ptr<Engine> SharedEngine::Share() { return std::make_shared<Part>(host_); }

}  // namespace orrery::model
