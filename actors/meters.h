// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every actor counts of itself: how many of its kind live, how long messages wait for it, how many it has handled,
// how long it was busy.
//
// CAF 0.17 has no actor metrics. A handler opens a Probe for as long as it runs; the telemetry actor reads the sums.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>

namespace orrery::actors {

enum class Kind : uint8_t {
  kCampaign,
  kTree,
  kNode,
  kRollout,
  kRouter,
  kBatcher,
  kSandboxPool,
  kSandbox,
  kGraderPool,
  kGrader,
  kJournal,
  kTelemetry
};
inline constexpr size_t kKinds = 12;
std::string_view Name(Kind kind);

// Nanoseconds of the steady clock: the `sent` of a message.
inline uint64_t Now() { return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()); }

// Monotonic sums of one kind of actor, but for live and waiting. One cache line, so that kinds do not disturb each
// other.
struct alignas(64) Meter {
  std::atomic<int64_t> live{0};
  std::atomic<uint64_t> sent{0};       // messages that carry the time of their sending …
  std::atomic<uint64_t> received{0};   // … and those of them that were handled: the difference lies in mailboxes
  std::atomic<int64_t> held{0};        // requests held in queues of ours (pools, batcher, journal)
  std::atomic<uint64_t> processed{0};  // messages of every sort
  std::atomic<uint64_t> failed{0};
  std::atomic<uint64_t> wait_ns{0};  // between a message's sending and its handling
  std::atomic<uint64_t> busy_ns{0};
};

// What the search counts, beyond its actors.
struct SearchMeters {
  std::atomic<uint64_t> problems_done{0};
  std::atomic<uint64_t> problems_solved{0};
  std::atomic<uint64_t> rollouts{0};
  std::atomic<uint64_t> expansions{0};           // made by this process
  std::atomic<uint64_t> expansions_recalled{0};  // taken from the memo
  std::atomic<uint64_t> candidates{0};
  std::atomic<uint64_t> steps_executed{0};
  std::array<std::atomic<uint64_t>, 8> verdicts{};  // by schema::Verdict
  std::array<std::atomic<uint64_t>, 6> grades{};    // by schema::Grade
  std::atomic<uint64_t> tokens_generated{0};        // of answered requests
};

// All counts of a process. Outlives the actor system.
struct Meters {
  std::array<Meter, kKinds> kinds;
  SearchMeters search;
  Meter& of(Kind kind) { return kinds[static_cast<size_t>(kind)]; }

  // The `sent` of a message to an actor of this kind; counts it.
  uint64_t Sent(Kind to) {
    of(to).sent.fetch_add(1, std::memory_order_relaxed);
    return Now();
  }

  // An answer has come to an actor of this kind: a message as any other.
  void Answered(Kind to) { of(to).processed.fetch_add(1, std::memory_order_relaxed); }
};

// Counts one handled message: waiting time from `sent` (0: unknown), busy time until the probe ends.
class Probe {
 public:
  Probe(Meter& meter, uint64_t sent) : meter_(meter), begin_(Now()) {
    meter_.processed.fetch_add(1, std::memory_order_relaxed);
    if (sent == 0) return;
    meter_.received.fetch_add(1, std::memory_order_relaxed);
    if (sent < begin_) meter_.wait_ns.fetch_add(begin_ - sent, std::memory_order_relaxed);
  }
  ~Probe() { meter_.busy_ns.fetch_add(Now() - begin_, std::memory_order_relaxed); }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

 private:
  Meter& meter_;
  uint64_t begin_;
};

// Counts an actor as live for as long as its state exists.
class Alive {
 public:
  Alive() = default;
  explicit Alive(Meter& meter) : meter_(&meter) { meter_->live.fetch_add(1, std::memory_order_relaxed); }
  ~Alive() {
    if (meter_ != nullptr) meter_->live.fetch_sub(1, std::memory_order_relaxed);
  }
  Alive(Alive&& other) noexcept : meter_(other.meter_) { other.meter_ = nullptr; }
  Alive& operator=(Alive&& other) noexcept {
    std::swap(meter_, other.meter_);
    return *this;
  }

 private:
  Meter* meter_ = nullptr;
};

}  // namespace orrery::actors
