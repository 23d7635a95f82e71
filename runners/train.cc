// SPDX-License-Identifier: Apache-2.0
// The training: makes a model better at what campaigns found, and leaves it as a Hugging Face folder.

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>

#include "runners/stop.h"
#include "runners/train_run.h"
#include "schema/flags.h"

namespace orrery::runners {
namespace {

int Main(int argc, char** argv) {
  CLI::App app("Trains a model on the trajectories of campaigns; a training that was stopped goes on.", "train");
  schema::Flags flags;
  flags.AddTo(app, "configs/train-sft.json");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  CatchStopSignals();
  const auto exit_code = RunTrainingOf(flags);
  if (exit_code.ok()) return *exit_code;
  fmt::print(stderr, "train: {}\n", Message(exit_code.status()));
  return ExitCode(exit_code.status());
}

}  // namespace
}  // namespace orrery::runners

int main(int argc, char** argv) { return orrery::runners::Main(argc, argv); }
