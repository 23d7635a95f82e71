// SPDX-License-Identifier: Apache-2.0
#include "runners/simulate_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/paths.h"
#include "runners/common/settings.h"
#include "runners/store_commands/run_store.h"
#include "simulation/fit.h"
#include "store/html.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::ordered_json;
using simulation::Plan;
using simulation::PlanSetting;
using simulation::Profile;

constexpr uint64_t kLiveTrees = 64;  // what a campaign takes by itself

std::string Whole(double value) { return store::Grouped(static_cast<uint64_t>(std::llround(std::max(0.0, value)))); }

Json AsJson(const Plan& plan, const PlanSetting& setting) {
  const auto& campaign = setting.campaign;
  return {{"problems", campaign.problems},
          {"rollouts_a_problem", campaign.rules.rollouts},
          {"devices", campaign.devices},
          {"live_trees", campaign.live_trees},
          {"simulated_problems", plan.simulated},
          {"hours", plan.hours},
          {"device_hours", plan.device_hours},
          {"cost", plan.cost},
          {"cost_per_problem", plan.cost_per_problem},
          {"limit", plan.limit},
          {"use",
           {{"device", plan.use.device},
            {"sandbox", plan.use.sandbox},
            {"grader", plan.use.grader},
            {"journal", plan.use.journal},
            {"rows_a_batch", plan.use.rows}}},
          {"rollouts", plan.rollouts},
          {"expansions", plan.expansions},
          {"tokens", plan.tokens},
          {"solved", plan.solved}};
}

}  // namespace

StatusOr<Profile> FitRun(const std::filesystem::path& run, Trees trees) {
  ORRERY_ASSIGN_OR_RETURN(const auto text, ReadFile(run / "config.json"));
  ORRERY_ASSIGN_OR_RETURN(const auto given, schema::ParseConfig(text, (run / "config.json").string()));
  ORRERY_ASSIGN_OR_RETURN(const auto config, ApplyPreset(given));
  ORRERY_ASSIGN_OR_RETURN(const auto store, OpenRun(run));
  ORRERY_ASSIGN_OR_RETURN(const auto telemetry, ReadFile(run / "telemetry.jsonl"));
  ORRERY_ASSIGN_OR_RETURN(const auto summary, ReadFile(run / "summary.json"));
  simulation::FitInput input{.store = store.get(),
                             .rules = RulesOf(*config->search()),
                             .max_rows = static_cast<int>(config->model()->max_batch_rows()),
                             .live_trees = config->run()->live_trees() == 0 ? kLiveTrees : config->run()->live_trees(),
                             .telemetry = telemetry,
                             .summary = summary};
  if (trees != Trees::kAll) input.only = [trees](size_t index) { return (index % 2 == 0) == (trees == Trees::kEven); };
  auto profile = simulation::Fit(input);
  if (!profile.ok()) return Annotate(profile.status(), run.string());
  return profile;
}

StatusOr<Profile> LoadProfile(const std::filesystem::path& file) {
  ORRERY_ASSIGN_OR_RETURN(const auto text, ReadFile(file));
  return simulation::ParseProfile(text, file.string());
}

std::vector<Compared> Compare(const Profile& profile, int seeds) {
  const auto& recorded = profile.recorded;
  simulation::CampaignFigures sum;
  for (int seed = 1; seed <= seeds; ++seed) {
    const auto figures = simulation::Simulate(profile, {.rules = profile.rules,
                                                        .problems = recorded.problems,
                                                        .seed = static_cast<uint64_t>(seed),
                                                        .live_trees = recorded.live_trees});
    sum.seconds += figures.seconds;
    sum.solved += figures.solved;
    sum.rollouts += figures.rollouts;
    sum.expansions += figures.expansions;
    sum.samples += figures.samples;
    sum.tokens += figures.tokens;
    sum.steps += figures.steps;
    sum.batches += figures.batches;
    sum.rows += figures.rows;
    sum.device_busy += figures.device_busy;
  }
  const auto mean = [seeds](auto value) { return static_cast<double>(value) / seeds; };
  const auto count = [](uint64_t value) { return static_cast<double>(value); };
  const double recorded_busy = profile.device.seconds_per_batch * count(recorded.batches) +
                               profile.device.seconds_per_row * count(recorded.rows);
  return {{"seconds", recorded.seconds, mean(sum.seconds), true},
          {"device use", recorded_busy / recorded.seconds, sum.device_busy / std::max(sum.seconds, 1e-9), true},
          {"rows a batch", count(recorded.rows) / std::max(1.0, count(recorded.batches)),
           count(sum.rows) / std::max(1.0, count(sum.batches)), true},
          {"tokens", count(recorded.tokens), mean(sum.tokens), true},
          {"expansions", count(recorded.expansions), mean(sum.expansions), true},
          {"rollouts", count(recorded.rollouts), mean(sum.rollouts), true},
          {"samples", count(recorded.samples), mean(sum.samples), false},
          {"steps run", count(recorded.steps), mean(sum.steps), false},
          {"solved", count(recorded.solved), mean(sum.solved), false}};
}

StatusOr<int> CheckRun(const std::filesystem::path& run, int seeds, bool json) {
  bool within = true;
  for (const auto& [trees, name] : {std::pair(Trees::kAll, "all"), {Trees::kEven, "even"}, {Trees::kOdd, "odd"}}) {
    ORRERY_ASSIGN_OR_RETURN(const Profile profile, FitRun(run, trees));
    for (const Compared& each : Compare(profile, seeds)) {
      const double ratio = each.measured == 0 ? 0 : each.simulated / each.measured;
      const bool off = each.decides && std::abs(ratio - 1) > kTolerance;
      // Half of the trees may be the easier half: only the fit to all of them decides.
      if (off && trees == Trees::kAll) within = false;
      if (json) {
        fmt::print("{}\n", Json{{"fitted_to", name},
                                {"figure", each.figure},
                                {"measured", each.measured},
                                {"simulated", each.simulated},
                                {"ratio", ratio}}
                               .dump());
      } else {
        fmt::print("{:<5} {:<13} {:>12.6g} measured {:>12.6g} simulated {:>6.3f}{}\n", name, each.figure, each.measured,
                   each.simulated, ratio, off ? "  OFF" : "");
      }
    }
  }
  return within ? 0 : 1;
}

void PrintPlan(const Plan& plan, const PlanSetting& setting, bool json) {
  if (json) return fmt::print("{}\n", AsJson(plan, setting).dump());
  const auto& campaign = setting.campaign;
  fmt::print("{} problems, {} rollouts each, on {} device{} ({} simulated)\n", store::Grouped(campaign.problems),
             campaign.rules.rollouts, campaign.devices, campaign.devices == 1 ? "" : "s",
             store::Grouped(plan.simulated));
  fmt::print("hours        {:.4g}, {:.4g} of devices\n", plan.hours, plan.device_hours);
  if (setting.price_an_hour > 0)
    fmt::print("cost         {:.2f}, {:.3g} a problem\n", plan.cost, plan.cost_per_problem);
  fmt::print("device use   {:.1f}% busy, {:.0f} rows a batch\n", 100 * plan.use.device, plan.use.rows);
  fmt::print("limited by   {}\n", plan.limit);
  fmt::print("busy         sandbox {:.1f}%, grader {:.1f}%, journal {:.1f}%\n", 100 * plan.use.sandbox,
             100 * plan.use.grader, 100 * plan.use.journal);
  fmt::print("makes        {} rollouts, {} expansions, {} tokens, {} problems solved\n", Whole(plan.rollouts),
             Whole(plan.expansions), Whole(plan.tokens), Whole(plan.solved));
}

}  // namespace orrery::runners
