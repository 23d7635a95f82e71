// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who serves a simulated campaign, on a virtual clock: the device with its batches, the workers of a pool, the journal
// with its group commits. Each counts how long it was busy.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "simulation/profile.h"
#include "simulation/virtual_clock.h"

namespace orrery::simulation {

using Done = std::function<void()>;

// Batches as model/scheduler.h makes them: requests in order of arrival, a row for each that writes and the prompt's
// rows first, as many as a batch may have.
class SimulatedDevice {
 public:
  SimulatedDevice(VirtualClock& clock, const DeviceCurve& curve) : clock_(clock), curve_(curve) {}

  // Samples of one prompt: `tokens` of each; the first one reads `prompt_rows`, the others wait for it. `done` hears
  // the number of each.
  void Submit(int prompt_rows, const std::vector<int>& tokens, const std::function<void(size_t sample)>& done);

  uint64_t batches() const { return batches_; }
  uint64_t rows() const { return rows_; }
  double busy() const { return busy_; }

 private:
  struct Prompt {
    int rows_left;
    std::function<void(size_t)> done;
  };
  struct Request {
    std::shared_ptr<Prompt> prompt;
    size_t sample;
    int tokens_left;
  };
  void RunBatch();

  VirtualClock& clock_;
  const DeviceCurve curve_;
  std::vector<Request> live_;  // in order of arrival
  bool running_ = false;
  uint64_t batches_ = 0, rows_ = 0;
  double busy_ = 0;
};

// Workers that take one request each; the time of a request is drawn from a log-normal distribution.
class SimulatedPool {
 public:
  // `key`: of the draws.
  SimulatedPool(VirtualClock& clock, const ServiceTime& service, uint64_t key);
  void Submit(Done done);
  uint64_t served() const { return served_; }
  double busy() const { return busy_; }

 private:
  void Begin();

  VirtualClock& clock_;
  const ServiceTime service_;
  const uint64_t key_;
  int idle_;
  std::deque<Done> waiting_;
  uint64_t served_ = 0;
  double busy_ = 0;
};

// What comes in while one commit runs shares the next.
class SimulatedJournal {
 public:
  SimulatedJournal(VirtualClock& clock, double commit_seconds) : clock_(clock), commit_seconds_(commit_seconds) {}
  void Submit(Done done);
  uint64_t commits() const { return commits_; }
  double busy() const { return busy_; }

 private:
  void Commit();

  VirtualClock& clock_;
  const double commit_seconds_;
  std::vector<Done> waiting_;
  bool running_ = false;
  uint64_t commits_ = 0;
  double busy_ = 0;
};

}  // namespace orrery::simulation
