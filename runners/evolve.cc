// SPDX-License-Identifier: Apache-2.0
// The self-evolution: rounds of search and training.

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>

#include "runners/evolve_run.h"
#include "runners/stop.h"
#include "schema/flags.h"

namespace orrery::runners {
namespace {

int Main(int argc, char** argv) {
  CLI::App app("Searches and trains in rounds; a run that was stopped goes on.", "evolve");
  schema::Flags flags;
  flags.AddTo(app, "configs/evolve-small.json");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  CatchStopSignals();
  const auto exit_code = RunEvolutionOf(flags);
  if (exit_code.ok()) return *exit_code;
  fmt::print(stderr, "evolve: {}\n", Message(exit_code.status()));
  return ExitCode(exit_code.status());
}

}  // namespace
}  // namespace orrery::runners

int main(int argc, char** argv) { return orrery::runners::Main(argc, argv); }
