// SPDX-License-Identifier: Apache-2.0
#include "actors/batcher.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "actors/engine_report.h"
#include "schema/builder.h"

namespace orrery::actors {
namespace {

constexpr uint64_t kReportEvery = 500'000'000;  // ns

// The engine's number of a request's sample, and of a score: the request's number, then the sample's place in it.
constexpr int kPlaceBits = 8;
uint64_t EngineId(uint64_t request, size_t place) { return request << kPlaceBits | place; }
uint64_t RequestOf(uint64_t engine_id) { return engine_id >> kPlaceBits; }
size_t PlaceOf(uint64_t engine_id) { return engine_id & ((1u << kPlaceBits) - 1); }

// All of a message but which sample it is.
model::GenerationRequest Common(const schema::Generate& message) {
  model::GenerationRequest request;
  if (message.prompt() != nullptr) request.prompt.assign(message.prompt()->begin(), message.prompt()->end());
  request.sampling = {.temperature = message.temperature(), .top_p = message.top_p(), .top_k = message.top_k()};
  if (message.stops() != nullptr) {
    for (const auto* stop : *message.stops()) request.stops.push_back(stop->str());
  }
  request.max_new_tokens = message.max_new_tokens();
  request.random.key = message.random_key();
  return request;
}

flatbuffers::Offset<schema::Sample> Build(flatbuffers::FlatBufferBuilder& builder, uint32_t first,
                                          const model::Generation& generation) {
  const auto text = builder.CreateString(generation.text);
  const auto stop = builder.CreateString(generation.stop);
  return schema::CreateSample(builder, first + static_cast<uint32_t>(PlaceOf(generation.id)),
                              static_cast<uint32_t>(generation.tokens.size()), text, stop,
                              generation.reason == model::FinishReason::kEndOfText, generation.log_probability);
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

caf::result<GeneratedChunk> batcher_state::Generate(const schema::Generate& message, const rollout_actor& asker) {
  const uint64_t number = next++;
  const model::GenerationRequest common = Common(message);
  const size_t samples = message.random_streams() == nullptr ? 0 : message.random_streams()->size();
  if (samples == 0 || samples >= 1u << kPlaceBits)
    return WordedError(fmt::format("a request for {} samples: expected 1 to {}", samples, (1u << kPlaceBits) - 1));
  for (size_t place = 0; place < samples; ++place) {
    model::GenerationRequest request = common;
    request.id = EngineId(number, place);
    request.random.stream = message.random_streams()->Get(static_cast<flatbuffers::uoffset_t>(place));
    const Status submitted = Submit(std::move(request));
    if (submitted.ok()) continue;
    while (place-- > 0) engine->Cancel(EngineId(number, place));
    return WordedError(Message(submitted));
  }
  asked.emplace(number, Asked{.promise = Promise<GeneratedChunk>(self->make_response_promise<GeneratedChunk>()),
                              .asker = asker,
                              .first = message.first(),
                              .missing = samples,
                              .ready = {}});
  missing += samples;
  NoteHeld();
  return caf::delegated<GeneratedChunk>();
}

caf::result<ScoredChunk> batcher_state::Score(const schema::Score& message) {
  model::GenerationRequest request;
  const uint64_t number = next++;
  request.id = EngineId(number, 0);
  request.max_new_tokens = 0;
  if (message.text() != nullptr) request.prompt.assign(message.text()->begin(), message.text()->end());
  const Status submitted = Submit(std::move(request));
  if (!submitted.ok()) return WordedError(Message(submitted));
  scores.emplace(number, Promise<ScoredChunk>(self->make_response_promise<ScoredChunk>()));
  NoteHeld();
  return caf::delegated<ScoredChunk>();
}

void batcher_state::Tick() {
  ticking = false;
  auto finished = engine->Step();
  if (!finished.ok()) return FailAll(Message(finished.status()));
  std::vector<uint64_t> answered;
  for (model::Generation& generation : *finished) {
    const uint64_t request = RequestOf(generation.id);
    if (const auto found = asked.find(request); found != asked.end()) {
      if (found->second.ready.empty()) answered.push_back(request);
      found->second.ready.push_back(std::move(generation));
    } else if (auto node = scores.extract(request); !node.empty()) {
      schema::Builder builder;
      builder.Finish(schema::CreateScored(builder, generation.score));
      node.mapped().Deliver(ScoredChunk(std::move(builder)));
    }
  }
  for (const uint64_t request : answered) Answer(request);
  NoteHeld();
  Report();
  // The tick queues behind the requests that came in meanwhile, so that they join the next batch.
  if (!engine->Idle() && !std::exchange(ticking, true)) self->send(self, atom::tick_v);
}

void batcher_state::Answer(uint64_t request) {
  Asked& of = asked.at(request);
  const std::vector<model::Generation> ready = std::exchange(of.ready, {});
  missing -= ready.size();
  of.missing -= ready.size();
  const bool last = of.missing == 0;

  schema::Builder builder;
  std::vector<flatbuffers::Offset<schema::Sample>> samples;
  samples.reserve(ready.size());
  for (const model::Generation& generation : ready) samples.push_back(Build(builder, of.first, generation));
  const auto all = builder.CreateVector(samples);
  builder.Finish(schema::CreateGenerated(builder, last ? 0 : meters->Sent(Kind::kRollout), all));
  GeneratedChunk chunk(std::move(builder));
  if (!last) return self->send(of.asker, atom::sampled_v, std::move(chunk));
  asked.extract(request).mapped().promise.Deliver(std::move(chunk));
}

void batcher_state::Report() {
  const uint64_t now = Now();
  if (!telemetry || (!engine->Idle() && now - reported < kReportEvery)) return;
  reported = now;
  self->send(telemetry, atom::report_v, ReportOf(engine->Counters(), held(), meters->Sent(Kind::kTelemetry)));
}

void batcher_state::FailAll(const std::string& words) {
  meters->of(Kind::kBatcher).failed.fetch_add(held(), std::memory_order_relaxed);
  auto all_asked = std::exchange(asked, {});
  auto all_scores = std::exchange(scores, {});
  missing = 0;
  NoteHeld();
  for (auto& [number, request] : all_asked) request.promise.Fail(WordedError(words));
  for (auto& [number, promise] : all_scores) promise.Fail(WordedError(words));
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
      [self, &meter](atom::generate, const GenerateChunk& request,
                     const rollout_actor& asker) -> caf::result<GeneratedChunk> {
        Probe probe(meter, request->sent());
        return self->state.Generate(*request, asker);
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
