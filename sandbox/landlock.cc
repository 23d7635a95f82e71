// SPDX-License-Identifier: Apache-2.0
#include "sandbox/landlock.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <iterator>

namespace orrery::sandbox {
namespace {

// linux/landlock.h of Debian 12 ends at version 2; these are the kernel's own numbers up to version 6.
struct Ruleset {
  uint64_t files = 0;
  uint64_t ports = 0;
  uint64_t scopes = 0;
};
constexpr uint32_t kAskVersion = 1;
// How many kinds of access to files each version knows, from version 1 on.
constexpr int kFileRights[] = {13, 14, 15, 15, 16, 16};
constexpr uint64_t kPorts = 0b11;   // bind, connect; from version 4 on
constexpr uint64_t kScopes = 0b11;  // abstract sockets, signals to others; from version 6 on

}  // namespace

int ForbidFiles() {
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskVersion);
  if (version <= 0) return 0;
  const long known = version < 6 ? version : 6;
  Ruleset rules;
  rules.files = (uint64_t{1} << kFileRights[known - 1]) - 1;
  size_t size = sizeof(rules.files);
  if (known >= 4) {
    rules.ports = kPorts;
    size += sizeof(rules.ports);
  }
  if (known >= 6) {
    rules.scopes = kScopes;
    size += sizeof(rules.scopes);
  }
  const auto ruleset = static_cast<int>(syscall(SYS_landlock_create_ruleset, &rules, size, 0));
  if (ruleset < 0) return 0;
  const bool restricted =
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
  close(ruleset);
  return restricted ? static_cast<int>(version) : 0;
}

}  // namespace orrery::sandbox
