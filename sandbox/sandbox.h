// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs a model's Python, step by step, where it can do no harm: one Sandbox is a warmed interpreter (sympy and numpy
// imported) in namespaces of its own under a supervisor that alone limits, kills and judges.
//
// A step is run on its parent's snapshot: the state of the interpreter after the steps before it. Siblings share
// nothing they write. A Sandbox object is used by one thread at a time; a pool holds several.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "sandbox/guard.h"

namespace orrery::sandbox {

// Who ended the step, as the supervisor saw it; never inferred from text.
enum class Verdict : uint8_t {
  kOk,
  kRuntimeError,  // an exception left the step's code, or it could not be compiled; SystemExit too
  kTimeOut,       // environmental: depends on the machine
  kMemoryLimit,   // environmental
  kOutputLimit,
  kSignal,    // died of a signal that the supervisor did not send (for example a C stack overflow)
  kInternal,  // the sandbox itself failed: nobody's fault, try again
};

std::string_view Name(Verdict verdict);

enum class Isolation : uint8_t {
  kBubblewrap,
  kNone,  // must be asked for by name; limits and deadlines hold, walls do not
};

struct SandboxOptions {
  Isolation isolation = Isolation::kBubblewrap;
  std::filesystem::path python;  // the pinned environment's folder (base/paths.h: PythonEnvironment())
  double wall_seconds = 5;       // a step's deadline
  uint64_t memory_bytes = uint64_t{1} << 30;
  uint64_t output_bytes = uint64_t{64} << 10;  // of one step
  uint64_t snapshot_bytes = uint64_t{1} << 30;
  int snapshot_count = 64;
  // What a step may import beside the standard library's harmless part: names by blanks, a "?" behind one that is left
  // out where it is not installed.
  std::string packages = "mpmath numpy sympy scipy?";
  std::string control_group;  // one to divide, as /proc/self/cgroup writes it; empty: the caller's own where delegated
};

// One step of a program: its code, and the seed of what randomness it asks for.
struct Step {
  std::string code;
  uint64_t seed = 0;
};

struct StepRequest {
  std::vector<Step> parents;  // root first; each of them ended ok when it was run
  Step step;
};

struct StepResult {
  Verdict verdict = Verdict::kInternal;
  std::string output;  // what this step alone printed to standard output (standard error is dropped); valid UTF-8,
                       // other bytes as \xNN; cut at the limit
  std::string error;   // runtime-error: the traceback's last line; kSignal: the signal's name; kTimeOut: which clock;
                       // kInternal: what failed
  double cpu_seconds = 0;
  double wall_seconds = 0;
  uint64_t peak_bytes = 0;
  int steps_executed = 0;  // 1, or more where the parent's snapshot was gone and the prefix was replayed
  std::string poisoned;    // why the interpreter was retired after this step, whose verdict stands; nearly always empty
};

class Sandbox {
 public:
  // Unavailable where isolation is not to be had: the message says the reason and the remedy.
  static StatusOr<std::unique_ptr<Sandbox>> Start(const SandboxOptions& options);

  virtual ~Sandbox() = default;

  // Never fails: what goes wrong inside is the verdict kInternal, and the next call finds a fresh interpreter.
  virtual StepResult Run(const StepRequest& request) = 0;

  // What guards the guest, for the doctor, the report and the run's record.
  virtual std::vector<Guard> Guards() const = 0;
};

}  // namespace orrery::sandbox
