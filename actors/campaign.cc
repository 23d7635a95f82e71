// SPDX-License-Identifier: Apache-2.0
#include "actors/campaign.h"

#include <utility>

#include "actors/tree.h"

namespace orrery::actors {

ProblemSource::ProblemSource(std::shared_ptr<const std::vector<reasoning::Problem>> problems)
    : count(problems->size()), at([problems](size_t number) {
        return std::shared_ptr<const reasoning::Problem>(problems, &(*problems)[number]);
      }) {}

void campaign_state::Admit() {
  while (live < live_limit && next < problems.count && !context->stopping.load()) {
    self->send(self->spawn(tree, context, problems.at(next++), caf::actor_cast<campaign_actor>(self)), atom::start_v);
    ++live;
  }
  EndIfOver();
}

void campaign_state::Done(const schema::TreeDone& done) {
  --live;
  if (!done.failure()->str().empty()) {
    if (outcome.failure.empty()) outcome.failure = done.failure()->str();
    context->stopping.store(true);
  } else if (!done.stopped()) {
    ++outcome.done;
    context->meters->search.problems_done.fetch_add(1, std::memory_order_relaxed);
    if (done.solved()) {
      ++outcome.solved;
      context->meters->search.problems_solved.fetch_add(1, std::memory_order_relaxed);
    }
  }
  Admit();
}

void campaign_state::EndIfOver() {
  if (live > 0 || !over) return;
  if (next < problems.count && !context->stopping.load()) return;
  outcome.stopped = outcome.done < problems.count && outcome.failure.empty();
  std::exchange(over, nullptr)->set_value(outcome);
  self->quit();
}

campaign_actor::behavior_type campaign(campaign_actor::stateful_pointer<campaign_state> self,
                                       std::shared_ptr<CampaignContext> context, ProblemSource problems,
                                       size_t live_limit, std::shared_ptr<std::promise<CampaignOutcome>> over) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.problems = std::move(problems);
  state.live_limit = live_limit;
  state.over = std::move(over);
  Meter& meter = state.context->meters->of(Kind::kCampaign);
  state.alive = Alive(meter);
  return {
      [self, &meter](atom::start) {
        Probe probe(meter, 0);
        self->state.Admit();
      },
      [self, &meter](atom::stop) {
        Probe probe(meter, 0);
        self->state.context->stopping.store(true);
        self->state.EndIfOver();
      },
      [self, &meter](atom::done, const TreeDoneChunk& done) {
        Probe probe(meter, done->sent());
        self->state.Done(*done);
      },
  };
}

}  // namespace orrery::actors
