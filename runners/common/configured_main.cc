// SPDX-License-Identifier: Apache-2.0
#include "runners/common/configured_main.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>

#include "runners/common/stop.h"

namespace orrery::runners {

int ConfiguredMain(const ConfiguredProgram& program, int argc, char** argv) {
  CLI::App app(program.what, program.name);
  schema::Flags flags;
  flags.further_help = program.further_help;
  flags.AddTo(app, program.preset);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  CatchStopSignals();
  const auto exit_code = program.run(flags);
  if (exit_code.ok()) return *exit_code;
  fmt::print(stderr, "{}: {}\n", program.name, Message(exit_code.status()));
  return ExitCode(exit_code.status());
}

}  // namespace orrery::runners
