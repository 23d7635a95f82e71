// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a Sandbox and its supervisor say to each other: length-framed binary messages over one socket.
//
// A frame is a little-endian uint32 length and that many bytes. Guests never see this socket. Both sides check every
// length against what is there, and refuse trailing bytes.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "sandbox/sandbox.h"

namespace orrery::sandbox {

inline constexpr uint32_t kMaxFrame = 64u << 20;

// A step that ended ok once is not timed again when it is replayed: so many deadlines pass before the supervisor gives
// up on it, and then the failure is the sandbox's.
inline constexpr double kReplayPatience = 20;

// First message, to the supervisor. Paths are those that the supervisor sees.
struct Setup {
  double wall_seconds = 0;
  uint64_t memory_bytes = 0;
  uint64_t output_bytes = 0;
  uint64_t snapshot_bytes = 0;
  uint64_t snapshot_count = 0;
  bool walls = false;  // it runs in namespaces of its own, as process 1
  std::string interpreter;
  std::string zygote;
  std::string packages;           // the folder of the pinned environment's packages
  std::string imports;            // which of them a step may import, by blanks; all of them are there
  std::string caller_namespaces;  // as NamespaceNames() gives them in the client, so that the supervisor can tell which
                                  // are its own
};

// "user:[4026531837]", "pid:[…]" and so on of this process, a line each.
std::string NamespaceNames();

// The answer to Setup, once the zygote is warm; `error` is empty then.
struct Ready {
  std::string error;
  std::vector<Guard> guards;
};

std::string Encode(const Setup& setup);
std::string Encode(const Ready& ready);
std::string Encode(const StepRequest& request);
std::string Encode(const StepResult& result);

StatusOr<Setup> DecodeSetup(std::string_view bytes);
StatusOr<Ready> DecodeReady(std::string_view bytes);
StatusOr<StepRequest> DecodeRequest(std::string_view bytes);
StatusOr<StepResult> DecodeResult(std::string_view bytes);

// Writes one frame to a blocking socket; never raises SIGPIPE.
Status SendFrame(int socket, std::string_view payload);

// Reads one frame; waits at most `seconds` for all of it (below 0: for ever). DeadlineExceeded when time is up.
StatusOr<std::string> ReceiveFrame(int socket, double seconds);

}  // namespace orrery::sandbox
