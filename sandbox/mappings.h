// SPDX-License-Identifier: Apache-2.0
#pragma once

// Makes the warm interpreter cheap to fork: the kernel keeps a chain for each mapping that holds memory of its own, which
// grows by a link with every nested fork.

namespace orrery::sandbox {

// Moves the libraries' data, as it stands, into a sealed file that is mapped in its place: a fork then has such a chain
// only for what it writes to. Read-only data becomes writable (a copy of the process's own). Where the kernel refuses,
// all stays as it was, and forks cost more. Call it once, while no other thread runs.
void ShareLibraryData();

}  // namespace orrery::sandbox
