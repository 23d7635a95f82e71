// SPDX-License-Identifier: Apache-2.0

// The campaign: searches a set of problems step by step and leaves verified trajectories, preference pairs and a
// report.

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>

#include "runners/campaign_run.h"
#include "runners/stop.h"
#include "schema/flags.h"

namespace orrery::runners {
namespace {

int Main(int argc, char** argv) {
  CLI::App app("Searches problems step by step, runs every step, and keeps what leads to right answers.", "campaign");
  schema::Flags flags;
  flags.AddTo(app, "configs/quickstart.json");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  CatchStopSignals();
  const auto exit_code = RunCampaignOf(flags);
  if (exit_code.ok()) return *exit_code;
  fmt::print(stderr, "campaign: {}\n", Message(exit_code.status()));
  return ExitCode(exit_code.status());
}

}  // namespace
}  // namespace orrery::runners

int main(int argc, char** argv) { return orrery::runners::Main(argc, argv); }
