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

Status batcher_state::Submit(model::GenerationRequest request) {
  ORRERY_RETURN_IF_ERROR(engine->Submit(std::move(request)));
  if (!std::exchange(ticking, true)) self->send(self, atom::tick_v);
  return absl::OkStatus();
}

void batcher_state::NoteHeld() {
  meters->of(Kind::kBatcher).held.store(static_cast<int64_t>(held()), std::memory_order_relaxed);
}

caf::result<GeneratedChunk> batcher_state::Generate(const schema::Generate& message) {
  const uint64_t id = next++;
  const Status submitted = Submit(RequestOf(message, id));
  if (!submitted.ok()) return WordedError(Message(submitted));
  promises.emplace(id, Promise<GeneratedChunk>(self->make_response_promise<GeneratedChunk>()));
  NoteHeld();
  return caf::delegated<GeneratedChunk>();
}

caf::result<ScoredChunk> batcher_state::Score(const schema::Score& message) {
  model::GenerationRequest request;
  request.id = next++;
  request.max_new_tokens = 0;
  if (message.text() != nullptr) request.prompt.assign(message.text()->begin(), message.text()->end());
  const uint64_t id = request.id;
  const Status submitted = Submit(std::move(request));
  if (!submitted.ok()) return WordedError(Message(submitted));
  scores.emplace(id, Promise<ScoredChunk>(self->make_response_promise<ScoredChunk>()));
  NoteHeld();
  return caf::delegated<ScoredChunk>();
}

void batcher_state::Tick() {
  ticking = false;
  auto finished = engine->Step();
  if (!finished.ok()) return FailAll(Message(finished.status()));
  for (const model::Generation& generation : *finished) {
    if (auto node = promises.extract(generation.id); !node.empty()) node.mapped().Deliver(AnswerOf(generation));
    if (auto node = scores.extract(generation.id); !node.empty()) {
      flatbuffers::FlatBufferBuilder builder(64);
      builder.Finish(schema::CreateScored(builder, generation.score));
      node.mapped().Deliver(ScoredChunk(std::move(builder)));
    }
  }
  NoteHeld();
  Report();
  // The tick queues behind the requests that came in meanwhile, so that they join the next batch.
  if (!engine->Idle() && !std::exchange(ticking, true)) self->send(self, atom::tick_v);
}

void batcher_state::Report() {
  const uint64_t now = Now();
  if (!telemetry || (!engine->Idle() && now - reported < kReportEvery)) return;
  reported = now;
  self->send(telemetry, atom::report_v, ReportOf(engine->Counters(), held(), meters->Sent(Kind::kTelemetry)));
}

void batcher_state::FailAll(const std::string& words) {
  meters->of(Kind::kBatcher).failed.fetch_add(held(), std::memory_order_relaxed);
  for (auto& [id, promise] : std::exchange(promises, {})) promise.Fail(WordedError(words));
  for (auto& [id, promise] : std::exchange(scores, {})) promise.Fail(WordedError(words));
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
      [self, &meter](atom::score, const ScoreChunk& request) -> caf::result<ScoredChunk> {
        Probe probe(meter, request->sent());
        return self->state.Score(*request);
      },
      [self, &meter](atom::tick) {
        Probe probe(meter, 0);
        self->state.Tick();
      },
  };
}

}  // namespace orrery::actors
