// SPDX-License-Identifier: Apache-2.0
#include "actors/router.h"

#include <memory>
#include <utility>

namespace orrery::actors {
namespace {

std::span<const model::TokenId> TokensOf(const flatbuffers::Vector<int32_t>* tokens) {
  return tokens == nullptr ? std::span<const model::TokenId>() : std::span(tokens->data(), tokens->size());
}

}  // namespace

template <class Answer, class... Message>
caf::result<Answer> router_state::Pass(std::span<const model::TokenId> prompt, const Message&... message) {
  const model::Placement::Place place = placement.Take(prompt);
  auto promise = std::make_shared<Promise<Answer>>(self->template make_response_promise<Answer>());
  self->request(batchers[place.engine], caf::infinite, message...)
      .then(
          [this, place, promise](const Answer& answer) {
            placement.GiveBack(place);
            promise->Deliver(answer);
          },
          [this, place, promise](const caf::error& error) {
            placement.GiveBack(place);
            promise->Fail(error);
          });
  return caf::delegated<Answer>();
}

batcher_actor::behavior_type router(batcher_actor::stateful_pointer<router_state> self,
                                    std::vector<batcher_actor> batchers, const std::vector<uint64_t>& pages,
                                    Meters* meters) {
  auto& state = self->state;
  state.self = self;
  state.batchers = std::move(batchers);
  state.placement = model::Placement(pages);
  Meter& meter = meters->of(Kind::kRouter);
  state.alive = Alive(meter);
  // A request's time of sending is the batcher's to count: it waits there.
  return {
      [self, &meter](atom::generate, const GenerateChunk& request, const rollout_actor& asker) {
        Probe probe(meter, 0);
        return self->state.Pass<GeneratedChunk>(TokensOf(request->prompt()), atom::generate_v, request, asker);
      },
      [self, &meter](atom::score, const ScoreChunk& request) {
        Probe probe(meter, 0);
        return self->state.Pass<ScoredChunk>(TokensOf(request->text()), atom::score_v, request);
      },
      [](atom::tick) {},
  };
}

}  // namespace orrery::actors
