// SPDX-License-Identifier: Apache-2.0
#pragma once

// The batcher owns one model on one device, a policy or a reward model: requests of all trees gather in the engine, and
// each tick runs one batch of them.
//
// It lives on a thread of its own (spawn it detached), since a batch takes as long as it takes. Between two batches it
// hears what has come in.

#include <memory>
#include <unordered_map>
#include <vector>

#include "actors/interfaces.h"
#include "actors/meters.h"
#include "actors/promise.h"
#include "model/engine.h"

namespace orrery::actors {

struct batcher_state {
  static inline constexpr const char* name = "batcher";

  // A request for samples, until the last of them is there.
  struct Asked {
    Promise<GeneratedChunk> promise;
    rollout_actor asker;
    uint32_t first = 0;                    // sample's number
    size_t missing = 0;                    // samples
    std::vector<model::Generation> ready;  // by the present batch
  };

  batcher_actor::pointer self = nullptr;
  std::shared_ptr<model::Engine> engine;
  telemetry_actor telemetry;  // null: nobody hears of its counts
  Meters* meters = nullptr;
  std::unordered_map<uint64_t, Asked> asked;  // by the request's number
  std::unordered_map<uint64_t, Promise<ScoredChunk>> scores;
  size_t missing = 0;  // samples, of all requests
  uint64_t next = 0;
  bool ticking = false;
  uint64_t reported = 0;  // when, on the steady clock
  Alive alive;

  caf::result<GeneratedChunk> Generate(const schema::Generate& request, const rollout_actor& asker);
  caf::result<ScoredChunk> Score(const schema::Score& request);
  // Queues it and sees to it that a tick comes.
  Status Submit(model::GenerationRequest request);
  size_t held() const { return missing + scores.size(); }
  void NoteHeld();
  void Tick();
  // Sends what is ready of a request; forgets it with its last sample.
  void Answer(uint64_t request);
  void Report();
  void FailAll(const std::string& words);
};

batcher_actor::behavior_type batcher(batcher_actor::stateful_pointer<batcher_state> self,
                                     std::shared_ptr<model::Engine> engine, telemetry_actor telemetry, Meters* meters);

}  // namespace orrery::actors
