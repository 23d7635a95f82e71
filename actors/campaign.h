// SPDX-License-Identifier: Apache-2.0
#pragma once

// The run: it admits problems until as many trees are alive as may be, a new one for each that ends, and says when all
// is over.

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/context.h"

namespace orrery::actors {

// How a campaign came to its end.
struct CampaignOutcome {
  uint64_t done = 0;  // trees with a record
  uint64_t solved = 0;
  bool stopped = false;  // by Ctrl-C or a budget; can be resumed
  std::string failure;   // why it could not go on; empty otherwise
};

// The problems of a run by their number. One is asked for when its tree is admitted, and is gone when the tree has
// ended.
struct ProblemSource {
  size_t count = 0;
  std::function<std::shared_ptr<const reasoning::Problem>(size_t number)> at;

  ProblemSource() = default;
  ProblemSource(size_t count, std::function<std::shared_ptr<const reasoning::Problem>(size_t)> at)
      : count(count), at(std::move(at)) {}
  // Of a set that is there as a whole, which lives as long as any of its trees.
  ProblemSource(std::shared_ptr<const std::vector<reasoning::Problem>> problems);  // NOLINT: each set is a source
};

struct campaign_state {
  static inline constexpr const char* name = "campaign";

  campaign_actor::pointer self = nullptr;
  std::shared_ptr<CampaignContext> context;
  ProblemSource problems;
  size_t live_limit = 1;
  size_t next = 0;
  size_t live = 0;
  CampaignOutcome outcome;
  std::shared_ptr<std::promise<CampaignOutcome>> over;
  Alive alive;

  void Admit();
  void Done(const schema::TreeDone& done);
  void EndIfOver();
};

campaign_actor::behavior_type campaign(campaign_actor::stateful_pointer<campaign_state> self,
                                       std::shared_ptr<CampaignContext> context, ProblemSource problems,
                                       size_t live_limit, std::shared_ptr<std::promise<CampaignOutcome>> over);

}  // namespace orrery::actors
