// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every program that takes a configuration does before and after its work: flags, Ctrl-C, the exit code.

#include "base/status.h"
#include "schema/flags.h"

namespace orrery::runners {

struct ConfiguredProgram {
  const char* name;
  const char* what;                                     // for --help
  const char* preset;                                   // the configuration that serves where no --config is given
  StatusOr<int> (*run)(const schema::Flags& flags);     // returns the exit code
  std::string (*further_help)(size_t width) = nullptr;  // keys of its own, for --help
};

int ConfiguredMain(const ConfiguredProgram& program, int argc, char** argv);

}  // namespace orrery::runners
