// SPDX-License-Identifier: Apache-2.0
#pragma once

// Puts the warm interpreter's heap on huge pages, so that a fork copies hundreds of page-table entries and not tens of
// thousands.

namespace orrery::sandbox {

// Before Py_Initialize: Python's small-object arenas and the C library's heap come from huge-page memory.
void UseHugePages();

// After warming up: new memory is ordinary, so that a step pays for what it touches and no more. Unused heap is given
// back.
void UseOrdinaryPages();

// Merges what was freed piece by piece, which else the first large allocation of every fork would do, and leaves no
// hole in the huge pages: what a step makes lies together in new memory. A page written to in a huge one costs the fork
// that writes its 512 entries, and every fork after it.
void SettleHeap();

}  // namespace orrery::sandbox
