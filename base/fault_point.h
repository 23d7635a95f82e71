// SPDX-License-Identifier: Apache-2.0
#pragma once

// Places where something becomes durable, each of which the fault runs (tests/faults) can make fail, or the last thing
// that the process does.
//
// Silent, and as good as free, unless the environment variable ORRERY_FAULT says POINT:PASS:ACTION: the PASS-th time
// (from 1) that POINT is passed, do ACTION (kill, fail, tear, full), and say so on standard error. Points:
// export.write, export.sync, export.rename, export.renamed of files that are replaced at once (base/atomic_file.h);
// commit, committed of the store; {log,manifest,table,other}.{write,written,sync,synced} and rename of the files below
// it (store/faulty_files.h).

#include <cstdint>
#include <string_view>

namespace orrery {

enum class Fault : uint8_t {
  kNone,
  kFail,  // answer with an error, once
  kTear,  // write a half, then end by SIGKILL (EndAtFault)
  kFull,  // no space is left: from now on, at every point whose name ends in "write"
};

// Counts a pass. The action `kill` ends the process here, by SIGKILL.
Fault PassFaultPoint(std::string_view point);

// Whether ORRERY_FAULT names a point at all.
bool FaultsAreOn();

// SIGKILL: nothing is flushed, no destructor runs.
[[noreturn]] void EndAtFault();

}  // namespace orrery
