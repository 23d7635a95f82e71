// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the supervisor and an interpreter process agree on; see README.md for the whole exchange.
//
// An interpreter process that has nothing to do is blocked in clone(kForkFlags, 0, kPauseMagic, state, errno): the
// system call filter hands that call to the supervisor, who answers it when a child step is to be forked here, and
// never otherwise. So a paused process cannot run, whatever it claims, and each answer is a grant for exactly one fork.

#include <sched.h>

#include <csignal>
#include <cstdint>

namespace orrery::sandbox {

// The child's parent is the supervisor, so that the supervisor alone waits for it.
inline constexpr uint64_t kForkFlags = CLONE_PARENT | SIGCHLD;
inline constexpr uint64_t kPauseMagic = 0x6f727265727931;

// Why a process pauses: the fourth argument of its clone call.
enum class Pause : uint64_t {
  kOk = 1,      // warm, or its step ended without an exception
  kError = 2,   // an exception left the step; its last line was written to kReportFd
  kMemory = 3,  // the same, and it was a MemoryError
  kNoFork = 4,  // the fork that was granted failed; the fifth argument is errno
};

// Descriptors of an interpreter process. Its own:
inline constexpr int kOutputFd = 1;  // the write end of the step's output pipe
inline constexpr int kReportFd = 3;  // a SOCK_SEQPACKET socket: first kHello, then at most one error line
// Put there by the supervisor just before a grant, for the child to move to its own numbers:
inline constexpr int kGivenReportFd = 10;
inline constexpr int kGivenOutputFd = 11;
inline constexpr int kGivenCodeFd = 12;  // a memory file: StepHeader, then the code's bytes

inline constexpr char kHello[] = "hello";
inline constexpr int kMaxErrorBytes = 4096;

struct StepHeader {
  uint64_t seed = 0;
  uint64_t code_bytes = 0;
};

}  // namespace orrery::sandbox
