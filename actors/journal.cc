// SPDX-License-Identifier: Apache-2.0
#include "actors/journal.h"

#include <utility>

#include "schema/builder.h"

namespace orrery::actors {

caf::result<bool> journal_state::Wait() {
  // The first to come sends the tick; it queues behind all that has arrived by then.
  if (waiting.empty()) self->send(self, atom::tick_v);
  waiting.emplace_back(self->make_response_promise<bool>());
  meters->of(Kind::kJournal).held.store(static_cast<int64_t>(waiting.size()), std::memory_order_relaxed);
  return caf::delegated<bool>();
}

void journal_state::Commit() {
  const Status status = store->Commit();
  if (!status.ok()) broken = Message(status);
  for (auto& promise : std::exchange(waiting, {})) {
    if (broken.empty()) {
      promise.Deliver(true);
    } else {
      promise.Fail(WordedError(broken));
    }
  }
  meters->of(Kind::kJournal).held.store(0, std::memory_order_relaxed);
  const store::StoreCounters counters = store->Counters();
  schema::Builder builder;
  builder.Finish(schema::CreateStoreReport(builder, meters->Sent(Kind::kTelemetry), counters.expansions_written,
                                           counters.trees_written, counters.commits, counters.bytes_written,
                                           counters.commit_seconds));
  self->send(telemetry, atom::report_v, StoreReportChunk(std::move(builder)));
}

journal_actor::behavior_type journal(journal_actor::stateful_pointer<journal_state> self,
                                     std::shared_ptr<store::Store> store, telemetry_actor telemetry, Meters* meters) {
  auto& state = self->state;
  state.self = self;
  state.store = std::move(store);
  state.telemetry = std::move(telemetry);
  state.meters = meters;
  Meter& meter = meters->of(Kind::kJournal);
  state.alive = Alive(meter);
  return {
      [self, &meter](atom::record, const ExpansionChunk& expansion) -> caf::result<bool> {
        Probe probe(meter, Now());
        auto& state = self->state;
        if (!state.broken.empty()) return WordedError(state.broken);
        state.store->PutExpansion(expansion->problem()->string_view(), store::PathOf(*expansion), expansion);
        return state.Wait();
      },
      [self, &meter](atom::finish, const TreeRecordChunk& tree) -> caf::result<bool> {
        Probe probe(meter, Now());
        auto& state = self->state;
        if (!state.broken.empty()) return WordedError(state.broken);
        state.store->PutTree(tree->problem()->string_view(), tree);
        return state.Wait();
      },
      [self, &meter](atom::tick) {
        Probe probe(meter, 0);
        self->state.Commit();
      },
  };
}

}  // namespace orrery::actors
