// SPDX-License-Identifier: Apache-2.0
#pragma once

// An engine that writes small, real programs (or sentences, where the prompt asks for words) by dice, or scores texts
// by their hash, so that the actors can be tested over thousands of expansions in seconds.
//
// What it writes is a function of the request alone, as with a transformer; in which order and after how many batches
// requests finish is drawn from `timing`, so that two runs of the same search see different message orders.

#include <deque>
#include <memory>
#include <random>

#include "model/engine.h"
#include "model/tokenizer/byte_tokenizer.h"

namespace orrery {

class ScriptedEngine : public model::Engine {
 public:
  explicit ScriptedEngine(uint64_t timing) : timing_(timing) {}

  const model::Tokenizer& tokenizer() const override { return tokenizer_; }
  int context_length() const override { return 1 << 20; }
  Status Submit(model::GenerationRequest request) override;
  void Cancel(uint64_t id) override;
  StatusOr<std::vector<model::Generation>> Step() override;
  bool Idle() const override { return pending_.empty(); }
  model::EngineCounters Counters() const override { return counters_; }
  StatusOr<std::vector<float>> Logits(const std::vector<model::TokenId>& prompt) override;

  // The step after which Step() fails with an error; 0: never.
  uint64_t fail_after = 0;

 private:
  model::ByteTokenizer tokenizer_;
  std::mt19937_64 timing_;
  std::deque<model::GenerationRequest> pending_;
  model::EngineCounters counters_;
};

}  // namespace orrery
