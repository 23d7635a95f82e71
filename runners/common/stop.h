// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ctrl-C and SIGTERM: the first asks a program to end in good order, the second ends it at once; what was acknowledged
// is on disk either way.

namespace orrery::runners {

void CatchStopSignals();
bool StopRequested();

// How a piece of long work came to its end.
struct Ended {
  int code = 0;          // as an exit code
  bool finished = true;  // else a signal, a budget or a failure stopped it, and the same command goes on
};

}  // namespace orrery::runners
