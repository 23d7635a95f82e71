// SPDX-License-Identifier: Apache-2.0
#include "simulation/plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace orrery::simulation {
namespace {

// Enough trees after one another for the beginning and the end to be small parts.
constexpr uint64_t kTreesAfterAnother = 12;
constexpr uint64_t kLeast = 400;
constexpr double kBusy = 0.9;  // a share from which on something limits

std::string LimitOf(const Plan& plan, const Profile& profile, const CampaignSetting& setting, uint64_t problems) {
  const Use& use = plan.use;
  const double full = use.rows / profile.device.max_rows;
  if (use.sandbox >= kBusy && use.sandbox >= use.device)
    return fmt::format("the sandbox: its {} workers are busy {:.0f}% of the time", profile.sandbox.workers,
                       100 * use.sandbox);
  if (use.grader >= kBusy && use.grader >= use.device)
    return fmt::format("the grader: its {} workers are busy {:.0f}% of the time", profile.grader.workers,
                       100 * use.grader);
  if (use.journal >= kBusy && use.journal >= use.device)
    return fmt::format("the journal: it commits {:.0f}% of the time", 100 * use.journal);
  if (use.device >= kBusy && full >= 0.8)
    return fmt::format("the device: busy {:.0f}% of the time with {:.0f} of {} rows a batch", 100 * use.device,
                       use.rows, profile.device.max_rows);
  if (problems <= setting.live_trees)
    return fmt::format("the length of a tree: all {} live at once, and batches have {:.0f} of {} rows", problems,
                       use.rows, profile.device.max_rows);
  return fmt::format("the number of live trees: {} fill {:.0f} of {} rows a batch (device busy {:.0f}%)",
                     setting.live_trees, use.rows, profile.device.max_rows, 100 * use.device);
}

}  // namespace

Plan MakePlan(const Profile& profile, const PlanSetting& setting) {
  CampaignSetting campaign = setting.campaign;
  const uint64_t problems = campaign.problems;
  const uint64_t wanted =
      setting.sample > 0 ? setting.sample : std::max(kLeast, kTreesAfterAnother * campaign.live_trees);
  campaign.problems = std::min(problems, wanted);

  Plan plan;
  plan.simulated = campaign.problems;
  plan.sample = Simulate(profile, campaign);
  const CampaignFigures& sample = plan.sample;
  const double times = static_cast<double>(problems) / static_cast<double>(campaign.problems);
  const auto& ends = sample.done_at;
  const double from = ends[ends.size() / 4], to = ends[ends.size() * 3 / 4];
  double seconds = sample.seconds;
  if (problems > campaign.problems) {
    const double rate = static_cast<double>(ends.size() * 3 / 4 - ends.size() / 4) / std::max(to - from, 1e-9);
    seconds += static_cast<double>(problems - campaign.problems) / rate;
  }
  plan.hours = seconds / 3600;
  plan.device_hours = plan.hours * campaign.devices;
  plan.cost = plan.device_hours * setting.price_an_hour;
  plan.cost_per_problem = plan.cost / static_cast<double>(problems);
  plan.tokens = static_cast<double>(sample.tokens) * times;
  plan.rollouts = static_cast<double>(sample.rollouts) * times;
  plan.expansions = static_cast<double>(sample.expansions) * times;
  plan.solved = static_cast<double>(sample.solved) * times;
  const double all = std::max(sample.seconds, 1e-9);
  plan.use = {.device = sample.device_busy / all / campaign.devices,
              .sandbox = sample.sandbox_busy / all / profile.sandbox.workers,
              .grader = sample.grader_busy / all / profile.grader.workers,
              .journal = sample.journal_busy / all,
              .rows = sample.batches == 0 ? 0 : static_cast<double>(sample.rows) / static_cast<double>(sample.batches)};
  plan.limit = LimitOf(plan, profile, campaign, problems);
  return plan;
}

}  // namespace orrery::simulation
