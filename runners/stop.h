// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ctrl-C and SIGTERM: the first asks a program to end in good order, the second ends it at once; what was acknowledged
// is on disk either way.

namespace orrery::runners {

void CatchStopSignals();
bool StopRequested();

}  // namespace orrery::runners
