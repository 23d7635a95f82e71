// SPDX-License-Identifier: Apache-2.0
#pragma once

// A step under way, from its fork to its verdict: the channels that it writes to and what is known of its process.

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "sandbox/descriptor.h"
#include "sandbox/grants.h"
#include "sandbox/wire.h"

namespace orrery::sandbox {

// What the forked step gets: its ends of the channels, and its code to read.
struct StepDescriptors {
  Descriptor report, output, code;
};

struct RunningStep {
  explicit RunningStep(uint64_t output_bytes) : output_limit(output_bytes) {}

  // Opens the channels; nothing where the system has no descriptors left.
  std::optional<StepDescriptors> Open(const Step& step);

  // Take what can be read at once. A report's first word names the process; the last one the exception that left it.
  void ReadOutput();
  void ReadReport();

  bool TooMuch() const { return text.size() > output_limit; }
  bool EndedOk() const;
  // Verdict, error, output and resources of a step that paused or is gone. `late`: it was still running at its
  // deadline.
  void Conclude(bool late, double wall_seconds, StepResult& result) const;

  uint64_t output_limit;
  Descriptor report;
  Descriptor output;
  pid_t pid = 0;  // 0 until it said hello
  pid_t parent = 0;
  std::string text;
  std::string error;
  std::optional<Paused> paused;
  std::optional<Paused> unforked;  // the parent's word that the fork failed
  bool orphaned = false;           // the parent did something else than forking it
  bool gone = false;
  bool starved = false;  // it is gone, and the system has killed a process for want of memory
  int status = 0;
  rusage usage{};

 private:
  void ConcludeDeath(double wall_seconds, StepResult& result) const;
};

}  // namespace orrery::sandbox
