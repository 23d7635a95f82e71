// SPDX-License-Identifier: Apache-2.0
#pragma once

// What guards the zygote's guests, as the kernel reports it to the supervisor.

#include <vector>

#include "sandbox/guard.h"
#include "sandbox/processes.h"
#include "sandbox/wire.h"

namespace orrery::sandbox {

std::vector<Guard> DescribeGuards(const Zygote& zygote, const Setup& setup);

}  // namespace orrery::sandbox
