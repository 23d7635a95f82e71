// SPDX-License-Identifier: Apache-2.0
#pragma once

// A control group of a sandbox's own, which bounds the memory and the processes of all its steps together: where one
// may be made. Version 1 and 2 of the kernel's groups.

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/status.h"
#include "sandbox/descriptor.h"
#include "sandbox/guard.h"

namespace orrery::sandbox {

struct GroupLimits {
  uint64_t memory_bytes = 0;
  uint64_t processes = 0;
};

class ControlGroup {
 public:
  // `parent` is the group to divide, as /proc/self/cgroup writes it; empty takes the caller's own where systemd has
  // delegated it, and makes none elsewhere. InvalidInput where a named group cannot be divided.
  static StatusOr<ControlGroup> Make(const std::string& parent, const GroupLimits& limits);

  ControlGroup() = default;
  ControlGroup(ControlGroup&&) noexcept = default;
  ControlGroup& operator=(ControlGroup&& other) noexcept;
  // Removes the group; its processes must be gone.
  ~ControlGroup();

  // A process that writes "0" to each of them enters the group. Empty where there is none.
  const std::vector<Descriptor>& entrances() const { return entrances_; }

  // "cgroup memory" and "cgroup pids": the limits of this group, else those that the caller is under anyway.
  const std::vector<Guard>& guards() const { return guards_; }

 private:
  Status Divide(const std::filesystem::path& parent, int version, const std::string& controller, uint64_t limit);

  std::vector<std::filesystem::path> folders_;
  std::vector<Descriptor> entrances_;
  std::vector<Guard> guards_;
};

}  // namespace orrery::sandbox
