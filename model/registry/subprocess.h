// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs another program to its end (curl, pip), without a shell.

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"

namespace orrery::model {

struct ProgramResult {
  int exit_code;       // 128 + n if signal n ended it
  std::string output;  // of standard output
  std::string errors;  // of standard error, its last 4096 bytes
};

// The program is looked up in PATH; 127 as exit code if it cannot be started. `input` (below 64 KiB) is its standard
// input. `tick` is called about ten times a second. The program dies with the calling thread.
StatusOr<ProgramResult> RunProgram(const std::vector<std::string>& arguments, const std::string& input,
                                   const std::function<void()>& tick = {});

}  // namespace orrery::model
