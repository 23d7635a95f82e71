// SPDX-License-Identifier: Apache-2.0
#pragma once

// The system calls that a guest may make: what sympy and numpy need once they are loaded, and the one fork by grant.

#include <optional>
#include <string>

namespace orrery::sandbox {

// Loads the filter into this process for good (and forbids new privileges); returns the descriptor on which forks are
// granted, or nothing and in `reason` why. What is not allowed answers EPERM; clone3 answers ENOSYS; calls by a foreign
// table (32-bit, x32) kill the process with SIGSYS. No Status: the libraries that come with it would be in every fork.
std::optional<int> LoadFilter(std::string& reason);

}  // namespace orrery::sandbox
