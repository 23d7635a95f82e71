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

// A sum that many threads add to without waiting for each other: each has a cache line of its own, nearly always.
template <class T>
class Sum {
 public:
  void fetch_add(T more, std::memory_order order = std::memory_order_relaxed) { Mine().fetch_add(more, order); }
  void fetch_sub(T less, std::memory_order order = std::memory_order_relaxed) { Mine().fetch_sub(less, order); }
  // Of what was added while it is read, a part may be in it.
  T load() const {
    T all = 0;
    for (const Part& part : parts_) all += part.value.load(std::memory_order_relaxed);
    return all;
  }
  operator T() const { return load(); }  // NOLINT: read as the number that it is

 private:
  static constexpr uint32_t kParts = 8;
  struct alignas(64) Part {
    std::atomic<T> value{0};
  };
  std::atomic<T>& Mine() {
    static std::atomic<uint32_t> threads{0};
    thread_local const uint32_t mine = threads.fetch_add(1, std::memory_order_relaxed) % kParts;
    return parts_[mine].value;
  }
  std::array<Part, kParts> parts_;
};

// Monotonic sums of one kind of actor, but for live and held.
struct Meter {
  Sum<int64_t> live;
  Sum<uint64_t> sent;      // messages that carry the time of their sending …
  Sum<uint64_t> received;  // … and those of them that were handled: the difference lies in mailboxes
  alignas(64) std::atomic<int64_t> held{0};  // requests held in queues of ours (pools, batcher, journal)
  Sum<uint64_t> processed;                   // messages of every sort
  Sum<uint64_t> failed;
  Sum<uint64_t> wait_ns;  // between a message's sending and its handling
  Sum<uint64_t> busy_ns;
};

// What the search counts, beyond its actors.
struct SearchMeters {
  Sum<uint64_t> problems_done;
  Sum<uint64_t> problems_solved;
  Sum<uint64_t> rollouts;
  Sum<uint64_t> expansions;           // made by this process
  Sum<uint64_t> expansions_recalled;  // taken from the memo
  Sum<uint64_t> candidates;
  Sum<uint64_t> steps_executed;
  std::array<Sum<uint64_t>, 8> verdicts;  // by schema::Verdict
  std::array<Sum<uint64_t>, 6> grades;    // by schema::Grade
  Sum<uint64_t> tokens_generated;         // of answered requests
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
