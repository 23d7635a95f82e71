// SPDX-License-Identifier: Apache-2.0
#pragma once

// The supervisor's end of the system call filter: which interpreter process is paused, and leave for one of them to
// fork once.

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "sandbox/step_protocol.h"

namespace orrery::sandbox {

// A process that is blocked in its clone call, as the kernel names it.
struct Paused {
  uint64_t id = 0;
  pid_t pid = 0;
  uint64_t magic = 0;  // kPauseMagic, unless the guest made the call itself
  Pause state = Pause::kOk;
  uint64_t reason = 0;  // errno of kNoFork
};

class Grants {
 public:
  explicit Grants(int listener) : listener_(listener) {}

  int descriptor() const { return listener_; }

  // The next process that paused; nothing where none did (it may have died meanwhile).
  std::optional<Paused> Next() const;

  // Puts a copy of `descriptor` into the paused process as `number`; false where that process is gone.
  bool Give(const Paused& paused, int descriptor, int number) const;

  // The paused process forks, this once.
  bool Allow(const Paused& paused) const;

  // The call answers EPERM.
  void Refuse(const Paused& paused) const;

 private:
  int listener_;
};

}  // namespace orrery::sandbox
