// SPDX-License-Identifier: Apache-2.0
#include "sandbox/sandbox.h"

namespace orrery::sandbox {

std::string_view Name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk: return "ok";
    case Verdict::kRuntimeError: return "runtime-error";
    case Verdict::kTimeOut: return "time-out";
    case Verdict::kMemoryLimit: return "memory-limit";
    case Verdict::kOutputLimit: return "output-limit";
    case Verdict::kSignal: return "signal";
    case Verdict::kInternal: return "internal";
  }
  return "unknown";
}

}  // namespace orrery::sandbox
