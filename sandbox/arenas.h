// SPDX-License-Identifier: Apache-2.0
#pragma once

// Puts the warm interpreter's heap on huge pages, so that a fork copies hundreds of page-table entries and not tens of thousands.

namespace orrery::sandbox {

// Before Py_Initialize: Python's small-object arenas come from huge-page memory.
void UseHugePageArenas();

// After warming up: new arenas are ordinary memory, so that a step pays for what it touches and no more.
void UseOrdinaryArenas();

}  // namespace orrery::sandbox
