// SPDX-License-Identifier: Apache-2.0
#pragma once

// Starts a supervisor, behind bubblewrap's walls or without, and ends it with all that it started.

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/status.h"
#include "sandbox/control_group.h"
#include "sandbox/descriptor.h"
#include "sandbox/sandbox.h"
#include "sandbox/wire.h"

namespace orrery::sandbox {

// A running supervisor and the socket to it. With its destruction every process of the sandbox is gone.
class Supervised {
 public:
  // Returns once the zygote is warm. Unavailable where isolation is not to be had, NotFound where files are missing.
  static StatusOr<Supervised> Start(const SandboxOptions& options);

  Supervised() = default;
  Supervised(Supervised&& other) noexcept;
  Supervised& operator=(Supervised&& other) noexcept;
  ~Supervised();

  int socket() const { return socket_.get(); }
  const std::vector<Guard>& guards() const { return guards_; }

 private:
  ControlGroup group_;  // goes after the processes in it
  pid_t child_ = 0;     // bubblewrap, or the supervisor itself
  bool walls_ = false;
  Descriptor socket_;
  std::vector<Guard> guards_;
};

}  // namespace orrery::sandbox
