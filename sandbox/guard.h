// SPDX-License-Identifier: Apache-2.0
#pragma once

// One wall around a guest as the kernel reports it: for the doctor, the report and a run's record.

#include <string>

namespace orrery::sandbox {

struct Guard {
  std::string name;     // "namespaces", "seccomp", "landlock", "cgroup memory" …
  bool active = false;  // it stands; where not, the detail says why
  std::string detail;
};

inline std::string Describe(const Guard& guard) {
  return guard.name + ": " + (guard.active ? "" : "no, ") + guard.detail;
}

}  // namespace orrery::sandbox
