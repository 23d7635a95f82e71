// SPDX-License-Identifier: Apache-2.0
// The evaluation: how many questions a model answers, by itself, by votes and by search.

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>

#include "runners/evaluate_run.h"
#include "runners/stop.h"
#include "schema/flags.h"

namespace orrery::runners {
namespace {

int Main(int argc, char** argv) {
  CLI::App app("Measures a model on a benchmark: greedy, several samples with votes, and search.", "evaluate");
  schema::Flags flags;
  flags.AddTo(app, "configs/evaluate.json");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  CatchStopSignals();
  const auto exit_code = RunEvaluationOf(flags);
  if (exit_code.ok()) return *exit_code;
  fmt::print(stderr, "evaluate: {}\n", Message(exit_code.status()));
  return ExitCode(exit_code.status());
}

}  // namespace
}  // namespace orrery::runners

int main(int argc, char** argv) { return orrery::runners::Main(argc, argv); }
