// SPDX-License-Identifier: Apache-2.0
#pragma once

// A real campaign's requests as a workload: every expansion that its finished trees hold is a group, with the prompt
// that the rollout sent and as many new tokens as its samples had.

#include <filesystem>

#include "base/status.h"
#include "bench/workload.h"
#include "model/source/model_source.h"
#include "reasoning/prompt.h"
#include "store/store.h"

namespace orrery::bench {

struct TraceOptions {
  std::filesystem::path run;  // a finished run's folder; only read
  int trees = 0;              // the first so many problems; 0: all
  int expansions = 0;         // the first so many of each tree; 0: all
};

// The prompts of one tree's expansions, in the order in which the search asked for them: a rollout's one after the
// other, down its path. `head` is what every prompt of the tree begins with. Corrupt where a path leads to a candidate
// that is not there.
StatusOr<std::vector<WorkGroup>> TreeRequests(const schema::TreeRecord& tree, const model::Tokenizer& tokenizer,
                                              const std::vector<model::TokenId>& head, int expansions);

// Trees go side by side, as in a campaign whose live trees are as many. `maker.salt` stands before every prompt, so
// that no cache knows it from the last time; the prompt is that of the run's own configuration.
StatusOr<Workload> ReadTrace(const TraceOptions& options, const WorkMaker& maker, const model::ModelSource& source);

}  // namespace orrery::bench
