// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the kernel says of a live process, and the start of the zygote.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "sandbox/descriptor.h"
#include "sandbox/wire.h"

namespace orrery::sandbox {

struct Zygote {
  pid_t pid = 0;
  Descriptor listener;  // on which its forks are granted
  int landlock = 0;     // the version that it is under
};

// Starts the interpreter as a child without address randomisation and waits until it is warm (at most `seconds`).
StatusOr<Zygote> StartZygote(const Setup& setup, double seconds);

// Processor time that a live child has used.
double CpuSeconds(pid_t pid);

struct MemoryUse {
  uint64_t peak_bytes = 0;       // most ever resident
  uint64_t anonymous_bytes = 0;  // resident and of no file, shared with other processes or not
  uint64_t touched_bytes = 0;    // pages that were given or copied since the process was forked
};

// Zeros where /proc does not say.
MemoryUse ReadMemoryUse(pid_t pid);

// How often this system has killed a process for want of memory, in a group or at all; nothing where it does not say.
std::optional<uint64_t> OutOfMemoryKills();

// This process's children; none where /proc does not say.
std::vector<pid_t> Children();

}  // namespace orrery::sandbox
