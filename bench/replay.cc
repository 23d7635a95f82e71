// SPDX-License-Identifier: Apache-2.0
#include "bench/replay.h"

#include <vector>

#include "base/clock.h"

namespace orrery::bench {
namespace {

class Player {
 public:
  Player(model::Engine& engine, const Workload& workload, uint64_t seed)
      : engine_(engine), workload_(workload), seed_(seed), groups_(workload.groups.size()) {}

  StatusOr<Replayed> Run(const OnBatch& on_batch) {
    const auto begin = Clock::now();
    const model::EngineCounters first = engine_.Counters();
    for (size_t i = 0; i < workload_.groups.size(); ++i) {
      if (workload_.groups[i].after < 0) ORRERY_RETURN_IF_ERROR(Begin(i));
    }
    for (model::EngineCounters before = first; !engine_.Idle();) {
      ORRERY_ASSIGN_OR_RETURN(const auto finished, engine_.Step());
      const model::EngineCounters after = engine_.Counters();
      if (on_batch) on_batch(after.rows - before.rows, after.tokens_generated - before.tokens_generated);
      before = after;
      for (const auto& generation : finished) ORRERY_RETURN_IF_ERROR(Took(generation));
    }
    played_.seconds = SecondsSince(begin);
    played_.rows = engine_.Counters().rows - first.rows;
    played_.batches = engine_.Counters().batches - first.batches;
    return played_;
  }

 private:
  struct Group {
    std::vector<model::TokenId> prompt;
    std::vector<std::vector<model::TokenId>> samples;
    size_t open = 0;  // samples that are still being written
  };
  struct Sample {
    size_t group, number;
  };

  Status Begin(size_t index) {
    const WorkGroup& work = workload_.groups[index];
    Group& group = groups_[index];
    if (work.extends >= 0) {
      const Group& parent = groups_[static_cast<size_t>(work.after)];
      const auto& sample = parent.samples[static_cast<size_t>(work.extends)];
      group.prompt = parent.prompt;
      group.prompt.insert(group.prompt.end(), sample.begin(), sample.end());
    }
    group.prompt.insert(group.prompt.end(), work.tokens.begin(), work.tokens.end());
    group.samples.resize(work.lengths.size());
    group.open = work.lengths.size();
    for (size_t i = 0; i < work.lengths.size(); ++i) {
      played_.prompt_tokens += group.prompt.size();
      ORRERY_RETURN_IF_ERROR(Submit({index, i}));
    }
    return absl::OkStatus();
  }

  // What is left of a sample, from where it stands.
  Status Submit(Sample sample) {
    Group& group = groups_[sample.group];
    const auto& written = group.samples[sample.number];
    model::GenerationRequest request;
    request.id = requests_.size();
    request.prompt = group.prompt;
    request.prompt.insert(request.prompt.end(), written.begin(), written.end());
    request.sampling.temperature = 0.7f;
    request.max_new_tokens = workload_.groups[sample.group].lengths[sample.number] - static_cast<int>(written.size());
    request.random = {seed_, request.id};
    requests_.push_back(sample);
    return engine_.Submit(std::move(request));
  }

  Status Took(const model::Generation& generation) {
    const Sample sample = requests_[generation.id];
    const auto wanted = static_cast<size_t>(workload_.groups[sample.group].lengths[sample.number]);
    Group& group = groups_[sample.group];
    auto& written = group.samples[sample.number];
    written.insert(written.end(), generation.tokens.begin(), generation.tokens.end());
    played_.new_tokens += generation.tokens.size();
    if (written.size() < wanted) return Submit(sample);
    if (--group.open > 0) return absl::OkStatus();
    for (size_t i = sample.group + 1; i < workload_.groups.size(); ++i) {
      if (workload_.groups[i].after == static_cast<int>(sample.group)) ORRERY_RETURN_IF_ERROR(Begin(i));
    }
    return absl::OkStatus();
  }

  model::Engine& engine_;
  const Workload& workload_;
  uint64_t seed_;
  std::vector<Group> groups_;
  std::vector<Sample> requests_;  // by id
  Replayed played_;
};

}  // namespace

StatusOr<Replayed> Replay(model::Engine& engine, const Workload& workload, uint64_t seed, const OnBatch& on_batch) {
  return Player(engine, workload, seed).Run(on_batch);
}

}  // namespace orrery::bench
