// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace orrery {
namespace {

namespace fs = std::filesystem;

// The number in a file, or behind `key` in one of lines "KEY NUMBER"; `none` where there is no such.
uint64_t Number(const fs::path& path, const std::string& key, uint64_t none) {
  std::ifstream file(path);
  uint64_t number = 0;
  if (key.empty()) return file >> number ? number : none;
  for (std::string word, rest; file >> word;) {
    if (word == key) return file >> number ? number : none;
    std::getline(file, rest);
  }
  return none;
}

// What a group's limit leaves; pages of files that nobody uses can be taken back.
uint64_t Left(const fs::path& group, const char* limit_name, const char* used_name, const char* cache_key) {
  const uint64_t limit = Number(group / limit_name, "", UINT64_MAX), used = Number(group / used_name, "", UINT64_MAX);
  if (limit == UINT64_MAX || used == UINT64_MAX) return UINT64_MAX;
  const uint64_t kept = used - std::min(used, Number(group / "memory.stat", cache_key, 0));
  return limit - std::min(limit, kept);
}

// A limit of a group is one of all groups in it.
template <class Fn>
uint64_t LeastUpwards(const fs::path& root, const std::string& group, Fn left) {
  uint64_t least = left(root);
  fs::path here = root;
  for (const fs::path& part : fs::path(group).relative_path()) least = std::min(least, left(here /= part));
  return least;
}

uint64_t LeftByGroups(const fs::path& proc, const fs::path& control_groups) {
  std::ifstream file(proc / "self" / "cgroup");
  uint64_t least = UINT64_MAX;
  for (std::string line; std::getline(file, line);) {  // number:controllers:path
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",",
                      path = line.substr(second + 1);
    if (controllers == ",,") {
      least = std::min(least, LeastUpwards(control_groups, path, [](const fs::path& group) {
                         return Left(group, "memory.max", "memory.current", "inactive_file");
                       }));
    } else if (controllers.find(",memory,") != std::string::npos) {
      least = std::min(least, LeastUpwards(control_groups / "memory", path, [](const fs::path& group) {
                         return Left(group, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file");
                       }));
    }
  }
  return least;
}

uint64_t AddressSpaceLeft() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
  const uint64_t used = Number("/proc/self/status", "VmSize:", 0) * 1024;
  return limit.rlim_cur - std::min<uint64_t>(limit.rlim_cur, used);
}

}  // namespace

uint64_t AvailableMemory(const fs::path& proc, const fs::path& control_groups) {
  const uint64_t kilobytes = Number(proc / "meminfo", "MemAvailable:", UINT64_MAX);
  return std::min(kilobytes == UINT64_MAX ? kilobytes : kilobytes * 1024, LeftByGroups(proc, control_groups));
}

uint64_t AvailableMemory() { return std::min(AvailableMemory("/proc", "/sys/fs/cgroup"), AddressSpaceLeft()); }

uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  return file >> total >> resident ? resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace orrery
