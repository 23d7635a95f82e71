// SPDX-License-Identifier: Apache-2.0
#pragma once

// Makes the warm interpreter cheap to fork, which costs by the mapping: and for each that holds memory of its own the
// kernel keeps a chain, which grows by a link with every nested fork.

namespace orrery::sandbox {

// Moves the libraries' data, as it stands, into a sealed file that is mapped in its place, so that a fork has such a
// chain only for what it writes to; then joins each library's code and constants. Tables that were read-only after
// their relocation are writable from then on (a copy of each process's own), and constants executable: whoever could
// reach them there runs native code already. Once, and while there is one thread; what the kernel refuses stays as it
// was.
void JoinMappings();

}  // namespace orrery::sandbox
