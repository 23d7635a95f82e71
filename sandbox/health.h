// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether a supervisor is still what it was when it was young: what leaks, drifts or becomes slow is retired before it
// hurts a step.

#include <cstdint>
#include <optional>
#include <string>

namespace orrery::sandbox {

struct Vitals {
  uint64_t own_bytes = 0;       // resident, of the supervisor
  uint64_t zygote_bytes = 0;    // of the warm interpreter, which never runs a guest's code
  int descriptors = 0;          // open in the supervisor
  int strangers = 0;            // children that are neither the zygote nor a snapshot nor on their way out
  double quickest_seconds = 0;  // of the forks since the last look: busy machines slow the others, not this one
};

class Health {
 public:
  // Steps between two looks.
  static constexpr uint64_t kSteps = 256;

  // Empty, or what has drifted since the first call, and how far.
  std::string Judge(const Vitals& now);

 private:
  std::optional<Vitals> young_;
};

// The supervisor's own open descriptors, as /proc tells; zero where it does not.
int OpenDescriptors();

}  // namespace orrery::sandbox
