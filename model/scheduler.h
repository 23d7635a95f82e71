// SPDX-License-Identifier: Apache-2.0
#pragma once

// Decides which rows make up the next batch.
//
// Requests are let in first come first served, as soon as all the pages they may need are to be had and fewer than
// max_rows are alive. One whose prompt another is just computing waits until that prefix is there to share. A batch
// takes one row of every sequence that is generating, then prompt rows in the order of arrival until it is full.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/engine.h"
#include "model/kv_cache.h"
#include "model/stop_matcher.h"

namespace orrery::model {

// A request in flight.
struct Sequence {
  Sequence(GenerationRequest r, std::string k)
      : request(std::move(r)), key(std::move(k)), tokens(request.prompt), text(request.stops), ids{request.id} {}

  int pending() const { return static_cast<int>(tokens.size()) - path.tokens; }
  int generated() const { return static_cast<int>(tokens.size() - request.prompt.size()); }
  int most_tokens() const { return static_cast<int>(request.prompt.size()) + request.max_new_tokens; }

  GenerationRequest request;
  std::string key;              // equal for requests with equal results
  std::vector<TokenId> tokens;  // the prompt and what was generated
  StopMatcher text;
  std::optional<double> score;  // of a request that asks for one
  std::vector<uint64_t> ids;    // of all requests this one answers
  KvCache::Path path;
  std::vector<double> log_probabilities;  // of the generated tokens
};

// Tokens [first, first + count) of a sequence.
struct BatchPiece {
  Sequence* sequence;
  int first;
  int count;
};

class Scheduler {
 public:
  Scheduler(KvCache& cache, int max_rows) : cache_(cache), max_rows_(max_rows) {}

  void Add(std::unique_ptr<Sequence> sequence) { waiting_.push_back(std::move(sequence)); }
  // Pages for the pieces' tokens are there; sequences that share pages are neighbours. Empty only if nothing is in
  // flight.
  std::vector<BatchPiece> NextBatch();
  // Gives the sequence back, one that is waiting as well as one in a batch, whose path is closed.
  std::unique_ptr<Sequence> Remove(Sequence* sequence);

  bool Idle() const { return waiting_.empty() && live_.empty(); }
  uint64_t prefix_tokens_reused() const { return prefix_tokens_reused_; }

 private:
  void Admit();
  bool AwaitsPrefix(const Sequence& sequence) const;

  KvCache& cache_;
  int max_rows_;
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::vector<std::unique_ptr<Sequence>> live_;  // in order of arrival
  uint64_t prefix_tokens_reused_ = 0;
};

}  // namespace orrery::model
