// SPDX-License-Identifier: Apache-2.0
#pragma once

// Landlock as one more wall: a process under it opens, makes and removes no file, listens and connects to no port.

namespace orrery::sandbox {

// Restricts this process and its children for good, with all that the kernel's Landlock can forbid. Forbids new
// privileges too. Returns the version of the kernel's Landlock, 0 where it has none.
int ForbidFiles();

}  // namespace orrery::sandbox
