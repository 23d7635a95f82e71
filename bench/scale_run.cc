// SPDX-License-Identifier: Apache-2.0
#include "bench/scale_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "actors/system.h"
#include "base/clock.h"
#include "base/memory.h"
#include "simulation/slow_store.h"
#include "store/summary.h"

namespace orrery::bench {
namespace {

namespace fs = std::filesystem;

uint64_t BytesBelow(const fs::path& folder) {
  uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

ScaleMoment Look(actors::Meters& meters, double seconds) {
  using actors::Kind;
  ScaleMoment moment{.seconds = seconds,
                     .resident_bytes = ResidentBytes(),
                     .trees = meters.of(Kind::kTree).live,
                     .nodes = meters.of(Kind::kNode).live,
                     .rollouts = meters.of(Kind::kRollout).live,
                     .problems = meters.search.problems_done};
  for (const actors::Meter& meter : meters.kinds) {
    moment.held += meter.held;
    moment.messages += meter.processed;
    // Counted apart from each other: the difference may be below 0 for a moment.
    moment.in_mailboxes +=
        std::max<int64_t>(0, static_cast<int64_t>(meter.sent) - static_cast<int64_t>(meter.received));
  }
  return moment;
}

constexpr size_t kMostMoments = 1024;

void Note(const ScaleMoment& moment, ScaleFigures* figures) {
  ScaleMoment& most = figures->most;
  most.seconds = moment.seconds;
  most.resident_bytes = std::max(most.resident_bytes, moment.resident_bytes);
  most.trees = std::max(most.trees, moment.trees);
  most.nodes = std::max(most.nodes, moment.nodes);
  most.rollouts = std::max(most.rollouts, moment.rollouts);
  most.held = std::max(most.held, moment.held);
  most.in_mailboxes = std::max(most.in_mailboxes, moment.in_mailboxes);
  most.messages = moment.messages;
  most.problems = moment.problems;
  // A long run's moments would be a share of the memory that it measures: every second one is kept, again and again.
  std::vector<ScaleMoment>& moments = figures->moments;
  if (figures->looks++ % figures->looks_per_moment != 0) return;
  moments.push_back(moment);
  if (moments.size() < kMostMoments) return;
  for (size_t i = 0; 2 * i < moments.size(); ++i) moments[i] = moments[2 * i];
  moments.resize((moments.size() + 1) / 2);
  figures->looks_per_moment *= 2;
}

}  // namespace

reasoning::Problem ProblemOf(size_t number) {
  return {.id = fmt::format("p{:06}", number),
          .question = fmt::format(
              "A shop sells {} boxes a day for {} dollars each. On the first day of each week it gives a customer who "
              "buys {} boxes or more a share of the price back. How many dollars does it take in {} weeks if every "
              "customer buys as many boxes as are needed for that, and what is left after the rent of {} dollars?",
              7 + number % 90, 3 + number % 11, 2 + number % 5, 1 + number % 8, number),
          .answer = "right",
          .source = "simulated",
          .level = ""};
}

StatusOr<ScaleFigures> RunScale(const ScaleSetting& setting) {
  ORRERY_ASSIGN_OR_RETURN(auto opened, store::Store::Open(setting.folder / "store", "simulated", "{}"));
  std::shared_ptr<store::Store> store = std::move(opened);
  if (setting.pace.commit.count() > 0) store = std::make_shared<simulation::SlowStore>(store, setting.pace.commit);
  const auto engine = std::make_shared<simulation::SimulatedEngine>(setting.profile, setting.pace);
  actors::Meters meters;
  const auto context = std::make_shared<actors::CampaignContext>();
  context->rules = setting.rules;
  context->prompt = reasoning::BuiltInPrompt(reasoning::PromptForm::kFineTuned);
  context->context_length = engine->context_length();
  context->tokenizer = &engine->tokenizer();
  context->store = store.get();
  context->meters = &meters;
  std::vector<std::shared_ptr<sandbox::Sandbox>> sandboxes;
  for (size_t i = 0; i < setting.workers; ++i)
    sandboxes.push_back(std::make_shared<simulation::SimulatedSandbox>(setting.pace));

  ScaleFigures figures;
  const auto begin = Clock::now();
  const auto seconds = [begin] { return SecondsSince(begin); };
  const auto outcome = actors::RunCampaign(
      {.context = context,
       .problems = {setting.problems,
                    [](size_t i) { return std::make_shared<const reasoning::Problem>(ProblemOf(i)); }},
       .engine = engine,
       .sandboxes = std::move(sandboxes),
       .graders = {std::make_shared<simulation::SimulatedGrader>(setting.pace)},
       .store = store,
       .telemetry = std::make_shared<actors::Telemetry>(&meters),
       .telemetry_file = setting.folder / "telemetry.jsonl",
       .live_trees = setting.live_trees,
       .threads = setting.threads,
       .workers_block = setting.pace.step.count() > 0 || setting.pace.answer.count() > 0},
      [&] {
        Note(Look(meters, seconds()), &figures);
        return false;
      });
  figures.seconds = seconds();
  Note(Look(meters, figures.seconds), &figures);
  if (!outcome.failure.empty()) return Failed("the campaign failed: {}", outcome.failure);
  if (outcome.done != setting.problems)
    return Failed("{} of {} problems came to their end", outcome.done, setting.problems);
  figures.messages = figures.most.messages;
  figures.solved = outcome.solved;
  figures.rollouts = meters.search.rollouts;
  figures.expansions = meters.search.expansions;
  figures.peak_bytes = store::PeakResidentBytes();
  figures.store_bytes = BytesBelow(setting.folder / "store");
  return figures;
}

}  // namespace orrery::bench
