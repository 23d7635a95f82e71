// SPDX-License-Identifier: Apache-2.0
#pragma once

// The warm interpreter's memory in few pieces. A fork copies every mapping that holds pages of the process's own, and
// with every nested fork the kernel's bookkeeping of each grows by a link; a library brings two or three of them.

namespace orrery::sandbox {

// Puts ordinary memory with the same contents in the place of what libraries have written to, so that neighbours become
// one mapping. Libraries' tables that were read-only after their relocation are writable from then on; whoever could
// write there runs native code already. One thread, before any fork; where it cannot be done nothing changes.
void JoinMappings();

}  // namespace orrery::sandbox
