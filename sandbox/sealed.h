// SPDX-License-Identifier: Apache-2.0
#pragma once

// Memory that no process can write to again: a file without a name, sealed.

#include <span>

namespace orrery::sandbox {

// A sealed file of `pieces`, one after the other; -1 and errno where the kernel gives none. The caller closes it. Takes
// no memory of the C library's.
int SealedFile(std::span<const std::span<const char>> pieces);

}  // namespace orrery::sandbox
