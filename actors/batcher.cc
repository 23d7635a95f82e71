// SPDX-License-Identifier: Apache-2.0
#include "actors/batcher.h"

#include <string>
#include <utility>
#include <vector>

#include "actors/engine_report.h"

namespace orrery::actors {
namespace {

constexpr uint64_t kReportEvery = 500'000'000;  // ns

model::GenerationRequest RequestOf(const schema::Generate& message, uint64_t id) {
  model::GenerationRequest request;
  request.id = id;
  if (message.prompt() != nullptr) request.prompt.assign(message.prompt()->begin(), message.prompt()->end());
  request.sampling = {.temperature = message.temperature(), .top_p = message.top_p(), .top_k = message.top_k()};
  if (message.stops() != nullptr) {
    for (const auto* stop : *message.stops()) request.stops.push_back(stop->str());
  }
  request.max_new_tokens = message.max_new_tokens();
  request.random = {.key = message.random_key(), .stream = message.random_stream()};
  return request;
}

GeneratedChunk AnswerOf(const model::Generation& generation) {
  flatbuffers::FlatBufferBuilder builder(512);
  const auto text = builder.CreateString(generation.text);
  const auto stop = builder.CreateString(generation.stop);
  builder.Finish(schema::CreateGenerated(builder, static_cast<uint32_t>(generation.tokens.size()), text, stop,
                                         generation.reason == model::FinishReason::kEndOfText,
                                         generation.log_probability));
  return GeneratedChunk(std::move(builder));
}

}  // namespace

caf::result<GeneratedChunk> batcher_state::Generate(const schema::Generate& message) {
  const uint64_t id = next++;
  const Status submitted = engine->Submit(RequestOf(message, id));
  if (!submitted.ok()) return WordedError(Message(submitted));
  promises.emplace(id, Promise<GeneratedChunk>(self->make_response_promise<GeneratedChunk>()));
  meters->of(Kind::kBatcher).held.store(static_cast<int64_t>(promises.size()), std::memory_order_relaxed);
  if (!std::exchange(ticking, true)) self->send(self, atom::tick_v);
  return caf::delegated<GeneratedChunk>();
}

void batcher_state::Tick() {
  ticking = false;
  auto finished = engine->Step();
  if (!finished.ok()) return FailAll(Message(finished.status()));
  for (const model::Generation& generation : *finished) {
    auto node = promises.extract(generation.id);
    if (!node.empty()) node.mapped().Deliver(AnswerOf(generation));
  }
  meters->of(Kind::kBatcher).held.store(static_cast<int64_t>(promises.size()), std::memory_order_relaxed);
  Report();
  // The tick queues behind the requests that came in meanwhile, so that they join the next batch.
  if (!engine->Idle() && !std::exchange(ticking, true)) self->send(self, atom::tick_v);
}

void batcher_state::Report() {
  const uint64_t now = Now();
  if (!engine->Idle() && now - reported < kReportEvery) return;
  reported = now;
  self->send(telemetry, atom::report_v, ReportOf(engine->Counters(), promises.size(), meters->Sent(Kind::kTelemetry)));
}

void batcher_state::FailAll(const std::string& words) {
  meters->of(Kind::kBatcher).failed.fetch_add(promises.size(), std::memory_order_relaxed);
  for (auto& [id, promise] : std::exchange(promises, {})) promise.Fail(WordedError(words));
}

batcher_actor::behavior_type batcher(batcher_actor::stateful_pointer<batcher_state> self,
                                     std::shared_ptr<model::Engine> engine, telemetry_actor telemetry, Meters* meters) {
  auto& state = self->state;
  state.self = self;
  state.engine = std::move(engine);
  state.telemetry = std::move(telemetry);
  state.meters = meters;
  Meter& meter = meters->of(Kind::kBatcher);
  state.alive = Alive(meter);
  return {
      [self, &meter](atom::generate, const GenerateChunk& request) -> caf::result<GeneratedChunk> {
        Probe probe(meter, request->sent());
        return self->state.Generate(*request);
      },
      [self, &meter](atom::tick) {
        Probe probe(meter, 0);
        self->state.Tick();
      },
  };
}

}  // namespace orrery::actors
