// SPDX-License-Identifier: Apache-2.0
#pragma once

// How much memory this process can still get, so that what needs more can say so before it begins.

#include <cstdint>
#include <filesystem>

namespace orrery {

inline constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

// The least of what the system can give without swapping, what this process's control groups leave it (versions 1 and
// 2), and what is left of its address space (RLIMIT_AS). UINT64_MAX where nothing says.
uint64_t AvailableMemory();

// The same from other files than /proc and /sys/fs/cgroup, without the address space; for tests.
uint64_t AvailableMemory(const std::filesystem::path& proc, const std::filesystem::path& control_groups);

// What this process holds of the machine's memory now; 0 where the system does not say.
uint64_t ResidentBytes();

}  // namespace orrery
