// SPDX-License-Identifier: Apache-2.0
#pragma once

// The parent of every step: forks it from its parent step's snapshot, reads what it prints, limits, kills and judges
// it.
//
// One step runs at a time; the others are paused snapshots, least recently used first to go. Nothing that a guest
// writes is parsed but the one line that says which exception left its own step.

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "sandbox/descriptor.h"
#include "sandbox/grants.h"
#include "sandbox/health.h"
#include "sandbox/processes.h"
#include "sandbox/running_step.h"
#include "sandbox/wire.h"

namespace orrery::sandbox {

class Supervisor {
 public:
  // Takes over a warm zygote; `client` is the socket whose end means that nobody is interested any more.
  Supervisor(int client, const Setup& setup, Zygote zygote);

  // True where a request can be read from the client, false where it is gone. Meanwhile it reaps.
  bool WaitForRequest();

  StepResult Run(const StepRequest& request);

  // What can no longer be trusted to work: the zygote died. The supervisor ends after its reply.
  bool broken() const { return broken_; }

 private:
  struct Snapshot {
    pid_t pid = 0;
    std::optional<Paused> paused;  // nothing while it forks a child
    uint64_t bytes = 0;            // what dropping it would free, at most
    uint64_t anonymous_bytes = 0;
    uint64_t used = 0;  // the latest request that ran on it
  };

  struct Outcome {
    StepResult result;
    bool parent_lost = false;      // nothing was run: the snapshot died
    bool meddled = false;          // and that because its guest had made something else of it
    std::optional<Paused> paused;  // of a step that ended ok
  };

  Outcome RunOn(const std::string& parent_key, const Step& step, double wall_seconds);
  // Makes a snapshot of a step that ended ok; returns the most memory that it had.
  uint64_t Keep(const std::string& parent_key, const std::string& key, const Paused& paused);
  // Waits until the snapshot is paused again after a fork, as it is at once unless its guest meddles: then it is
  // killed.
  void AwaitPause(const std::string& key);
  bool Fork(Snapshot& parent, const Step& step, RunningStep& current);
  void Wait(RunningStep& current, Clock::time_point deadline);
  // Whether the system has killed a process for want of memory since this was asked last; true where it does not say.
  bool Starved();
  void Judge(RunningStep& current, bool late, double wall_seconds, Outcome& outcome);
  // Now and then a look at what must not grow; empty, or why this supervisor should be replaced.
  std::string Examine();

  // Waits for anything to happen, at most `milliseconds`, and takes note of it. Ends the process where the client is
  // gone.
  void Pump(RunningStep* current, int milliseconds);
  std::map<std::string, Snapshot>::iterator FindSnapshot(pid_t pid);
  void TakePauses(RunningStep* current);
  void Reap(RunningStep* current);
  void End(RunningStep& current);
  void Kill(pid_t pid);
  void Evict();

  int client_;
  Setup setup_;
  pid_t zygote_;
  Descriptor listener_;
  Grants grants_;
  Descriptor signals_;
  std::map<std::string, Snapshot> snapshots_;  // by their whole path; the zygote is ""
  std::set<pid_t> dying_;                      // killed, not yet reaped
  uint64_t requests_ = 0;
  bool broken_ = false;
  std::optional<uint64_t> memory_kills_;  // of the whole system, as last seen
  Health health_;
  uint64_t forks_ = 0;
  double quickest_ = 1e9;  // seconds from a grant to the child's hello, since the last look
};

}  // namespace orrery::sandbox
