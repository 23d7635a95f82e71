// SPDX-License-Identifier: Apache-2.0
#include "bench/scale_floor.h"

#include <memory>
#include <utility>

#include "actors/scheduler.h"
#include "base/clock.h"
#include "schema/builder.h"

namespace orrery::bench {
namespace {

using answerer_actor = caf::typed_actor<caf::replies_to<atom::backup, actors::BackupChunk>::with<bool>>;

answerer_actor::behavior_type Answerer() {
  return {[](atom::backup, const actors::BackupChunk& backup) { return backup->itself_only(); }};
}

struct asker_state {
  answerer_actor other;
  uint64_t left = 0;
};

void Ask(caf::stateful_actor<asker_state>* self) {
  if (self->state.left-- == 0) return self->quit();
  schema::Builder builder;
  const auto path = builder.CreateVector<uint8_t>({0, 1, 2});
  builder.Finish(schema::CreateBackup(builder, 0, path, 1, schema::Terminal::Answered, 1.0, false));
  self->request(self->state.other, caf::infinite, atom::backup_v, actors::BackupChunk(std::move(builder)))
      .then([self](bool) { Ask(self); });
}

caf::behavior Asker(caf::stateful_actor<asker_state>* self, answerer_actor other, uint64_t requests) {
  self->state = {std::move(other), requests};
  return {[self](atom::start) { Ask(self); }};
}

}  // namespace

Floor MeasureFloor(int threads, uint64_t pairs, uint64_t requests) {
  actors::SystemConfig config(threads);
  Floor floor{.messages = 2 * pairs * requests};
  caf::actor_system system(config);
  const auto begin = Clock::now();
  for (uint64_t i = 0; i < pairs; ++i)
    caf::anon_send(system.spawn(Asker, system.spawn(Answerer), requests), atom::start_v);
  system.await_all_actors_done();
  floor.seconds = SecondsSince(begin);
  return floor;
}

}  // namespace orrery::bench
