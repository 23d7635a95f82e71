// SPDX-License-Identifier: Apache-2.0
#pragma once

// A model that is not there: an engine that answers every request with a step drawn from a profile, and a sandbox and a
// grader that understand such steps. In the place of the real ones they let all actors, messages and the store work at
// a size that no model could keep busy.
//
// What a request brings is a function of the request and the profile, as with a transformer.

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>

#include "model/engine.h"
#include "reasoning/grader.h"
#include "sandbox/sandbox.h"
#include "simulation/profile.h"
#include "simulation/script.h"

namespace orrery::simulation {

// How fast the simulated parts are: as fast as they can, unless they are told to take their time.
struct Pace {
  size_t requests_a_batch = 4096;                // that one Step() answers at most
  std::chrono::microseconds batch{0};            // that one Step() takes at least
  std::chrono::microseconds step{0}, answer{0};  // of the sandbox, of the grader
  std::chrono::microseconds commit{0};           // that a commit takes beside its own time (slow_store.h)
};

class SimulatedEngine : public model::Engine {
 public:
  SimulatedEngine(std::shared_ptr<const Profile> profile, Pace pace);

  const model::Tokenizer& tokenizer() const override { return tokenizer_; }
  int context_length() const override { return 1 << 20; }
  Status Submit(model::GenerationRequest request) override;
  void Cancel(uint64_t id) override;
  StatusOr<std::vector<model::Generation>> Step() override;
  bool Idle() const override { return waiting_.empty(); }
  model::EngineCounters Counters() const override { return counters_; }
  StatusOr<std::vector<float>> Logits(const std::vector<model::TokenId>& prompt) override;

 private:
  // A request without its prompt: where it stands is all that is wanted of it.
  struct Waiting {
    uint64_t id;
    Place place;
    uint64_t stream;
    int room;
  };
  model::Generation Answer(const Waiting& request) const;

  const std::shared_ptr<const Profile> profile_;
  const Pace pace_;
  SimulatedTokenizer tokenizer_;
  std::deque<Waiting> waiting_;
  model::EngineCounters counters_;
};

class SimulatedSandbox : public sandbox::Sandbox {
 public:
  explicit SimulatedSandbox(Pace pace) : pace_(pace) {}
  sandbox::StepResult Run(const sandbox::StepRequest& request) override;
  std::vector<sandbox::Guard> Guards() const override { return {}; }

 private:
  const Pace pace_;
};

class SimulatedGrader : public reasoning::Grader {
 public:
  explicit SimulatedGrader(Pace pace) : pace_(pace) {}
  reasoning::Grade Compare(std::string_view reference, std::string_view answer) override;

 private:
  const Pace pace_;
};

}  // namespace orrery::simulation
