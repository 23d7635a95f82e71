// SPDX-License-Identifier: Apache-2.0
#pragma once

// The operations of kernels.h as plain loops, for reading and for comparison; slow.

#include <memory>

#include "kernels/kernels.h"

namespace orrery::kernels::reference {

std::unique_ptr<Backend> NewBackend(Type type);

}  // namespace orrery::kernels::reference
