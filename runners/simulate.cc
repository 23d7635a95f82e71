// SPDX-License-Identifier: Apache-2.0
// Tells what a campaign would take, without running it.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

#include "base/paths.h"
#include "runners/simulate_run.h"

namespace orrery {
namespace {

struct Options {
  std::string fit, profile, out, check;
  int seeds = 5;
  bool json = false;
  std::optional<uint64_t> problems, live_trees;
  std::optional<int> rollouts, extra_rollouts, candidates, wave, max_depth, sandboxes, graders, batch_rows;
  std::optional<double> batch_seconds, row_seconds, tokens_per_second, commit_seconds;
  uint64_t seed = 1, sample = 0;
  int devices = 1;
  double price = 0;
};

void AddOptions(CLI::App& app, Options* o) {
  app.add_option("--fit", o->fit, "the folder of a finished run: fit a profile to it; alone, print the profile");
  app.add_option("--profile", o->profile, "a profile that was printed before");
  app.add_option("--out", o->out, "write the profile into this file instead");
  app.add_option("--check", o->check, "the folder of a finished run: simulate it and compare; exits 1 beyond 15%");
  app.add_option("--seeds", o->seeds, "simulated campaigns of a check")->check(CLI::Range(1, 1000));
  app.add_option("--problems", o->problems, "plan a campaign of so many problems")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40));
  app.add_option("--rollouts", o->rollouts, "of each problem (those of the run)")->check(CLI::Range(1, 1'000'000));
  app.add_option("--extra-rollouts", o->extra_rollouts, "more where it is unsolved (those of the run)")
      ->check(CLI::Range(0, 1'000'000));
  app.add_option("--candidates", o->candidates, "of an expansion (those of the run)")->check(CLI::Range(1, 255));
  app.add_option("--wave", o->wave, "rollouts of a tree at once (those of the run)")->check(CLI::Range(1, 1'000'000));
  app.add_option("--max-depth", o->max_depth, "steps to an answer (those of the run)")->check(CLI::Range(1, 1000));
  app.add_option("--live-trees", o->live_trees, "on all devices together (64 a device)")
      ->check(CLI::Range(1, 10'000'000));
  app.add_option("--devices", o->devices, "each with the model and its share of the trees")
      ->check(CLI::Range(1, 100'000));
  app.add_option("--batch-rows", o->batch_rows, "rows of a device's batch (those of the run)")
      ->check(CLI::Range(1, 10'000'000));
  app.add_option("--batch-seconds", o->batch_seconds, "a batch takes this and …")->check(CLI::Range(0.0, 1e6));
  app.add_option("--row-seconds", o->row_seconds, "… this for each of its rows")->check(CLI::Range(0.0, 1e6));
  app.add_option("--tokens-per-second", o->tokens_per_second, "of a device with full batches, in place of both")
      ->check(CLI::Range(1e-6, 1e12));
  app.add_option("--sandboxes", o->sandboxes, "workers (those of the run)")->check(CLI::Range(1, 1'000'000));
  app.add_option("--graders", o->graders, "workers (those of the run)")->check(CLI::Range(1, 1'000'000));
  app.add_option("--commit-seconds", o->commit_seconds, "of a commit to the disk (that of the run)")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--price", o->price, "of a device, an hour")->check(CLI::Range(0.0, 1e12));
  app.add_option("--seed", o->seed, "of all draws");
  app.add_option("--sample", o->sample, "simulate so many problems and go on at their rate (12 after one another)");
  app.add_flag("--json", o->json, "one object");
}

StatusOr<simulation::Profile> ProfileOf(const Options& o) {
  if (o.fit.empty() == o.profile.empty())
    return InvalidInput("expected --fit=RUN or --profile=FILE, and not both (or --check=RUN alone)");
  return o.fit.empty() ? runners::LoadProfile(CallerPath(o.profile)) : runners::FitRun(CallerPath(o.fit));
}

// The profile of the machine that is planned for.
void Equip(const Options& o, simulation::Profile* profile) {
  auto& device = profile->device;
  if (o.batch_rows) device.max_rows = *o.batch_rows;
  if (o.batch_seconds) device.seconds_per_batch = *o.batch_seconds;
  if (o.row_seconds) device.seconds_per_row = *o.row_seconds;
  if (o.tokens_per_second) {
    const double times = device.max_rows / *o.tokens_per_second / device.Seconds(device.max_rows);
    device.seconds_per_batch *= times;
    device.seconds_per_row *= times;
  }
  if (o.sandboxes) profile->sandbox.workers = *o.sandboxes;
  if (o.graders) profile->grader.workers = *o.graders;
  if (o.commit_seconds) profile->journal.mean = *o.commit_seconds;
}

StatusOr<int> Act(const Options& o) {
  if (!o.check.empty()) return runners::CheckRun(CallerPath(o.check), o.seeds, o.json);
  ORRERY_ASSIGN_OR_RETURN(auto profile, ProfileOf(o));
  if (!o.problems) {
    if (!o.out.empty()) {
      ORRERY_RETURN_IF_ERROR(WriteFileAtomically(CallerPath(o.out), simulation::ToJson(profile)));
    } else {
      fmt::print("{}", simulation::ToJson(profile));
    }
    return 0;
  }
  Equip(o, &profile);
  simulation::PlanSetting setting;
  setting.price_an_hour = o.price;
  setting.sample = o.sample;
  auto& campaign = setting.campaign;
  campaign.rules = profile.rules;
  if (o.rollouts) campaign.rules.rollouts = *o.rollouts;
  if (o.extra_rollouts) campaign.rules.extra_rollouts_when_unsolved = *o.extra_rollouts;
  if (o.candidates) campaign.rules.candidates = *o.candidates;
  if (o.wave) campaign.rules.wave = *o.wave;
  if (o.max_depth) campaign.rules.max_depth = *o.max_depth;
  campaign.problems = *o.problems;
  campaign.seed = o.seed;
  campaign.devices = o.devices;
  campaign.live_trees = o.live_trees.value_or(64 * static_cast<uint64_t>(o.devices));
  runners::PrintPlan(simulation::MakePlan(profile, setting), setting, o.json);
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Tells how long a campaign would take, what it would cost and what would limit it.", "simulate");
  Options options;
  AddOptions(app, &options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const auto code = Act(options);
  if (code.ok()) return *code;
  fmt::print(stderr, "simulate: {}\n", Message(code.status()));
  return ExitCode(code.status());
}

}  // namespace
}  // namespace orrery

int main(int argc, char** argv) { return orrery::Main(argc, argv); }
