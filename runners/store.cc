// SPDX-License-Identifier: Apache-2.0
// Looks into a run's store. A subcommand is a file store_NAME.cc with its options as a struct and one function.

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/paths.h"
#include "runners/store_verify.h"

namespace orrery {
namespace {

int Exit(const StatusOr<int>& code) {
  if (code.ok()) return *code;
  std::fprintf(stderr, "store: %s\n", Message(code.status()).c_str());
  return ExitCode(code.status());
}

int Main(int argc, char** argv) {
  CLI::App app("Looks into the store of a run.", "store");
  app.require_subcommand(1);
  std::string run;
  runners::VerifyOptions verify;
  auto* verifying = app.add_subcommand("verify", "check that the records are whole; exits 1 where something differs");
  verifying->add_option("RUN", run, "the folder of a run")->required();
  verifying->add_flag("--rerun", verify.rerun, "run every recorded step again: its verdict and bytes must be the same");
  verifying->add_option("--limit", verify.limit, "so many trees; 0 is all");
  verifying->add_option("--sandboxes", verify.sandboxes, "interpreters at the same time; 0 is one for each core")
      ->check(CLI::Range(0, 1024));
  verifying->add_flag("--json", verify.json, "an object a difference, then one for all");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  verify.run = CallerPath(run);
  return Exit(runners::VerifyStore(verify));
}

}  // namespace
}  // namespace orrery

int main(int argc, char** argv) { return orrery::Main(argc, argv); }
