// SPDX-License-Identifier: Apache-2.0
#pragma once

// A campaign from its flags to its files; a function of its own so that other runners can search too, several at once
// where they like.

#include <functional>
#include <string>

#include "base/status.h"
#include "runners/common/progress.h"
#include "runners/common/shared_models.h"
#include "runners/common/stop.h"
#include "schema/flags.h"

namespace orrery::runners {

// The log of a program that runs campaigns, on standard error; once.
void SetUpLog(const schema::Flags& flags);

// Says on standard error, in red, that the configuration has no walls around the models' code; nothing where it has.
void WarnOfMissingWalls(const schema::Config& config);

// The exit code: 0 done or stopped by a budget, 1 failed while running (resumable), 130 stopped by Ctrl-C (resumable).
// An error is what kept it from starting.
StatusOr<int> RunCampaignOf(const schema::Flags& flags);
// The same for a configuration at hand (without its preset's values), the log being set up.
StatusOr<Ended> RunCampaign(const schema::ResolvedConfig& given, bool quiet);

// What a campaign has around it.
struct Surroundings {
  bool quiet = false;                       // tells nothing by itself: of a fetched model, of bad lines
  SharedModels* models = nullptr;           // null: it loads models of its own
  std::function<void(const Moment&)> show;  // hears how it goes, a few times a second; empty: nobody does
};

// How a campaign came to its end.
struct CampaignEnd {
  int code = 0;            // as an exit code
  bool finished = false;   // every problem has its record
  bool disk_full = false;  // why it failed
  double seconds = 0;      // of the search, in this process
  std::string result;      // for standard output
  std::string words;       // for standard error; empty: nothing to say
};

// One campaign among others, which says nothing on standard output. Any thread may run it.
StatusOr<CampaignEnd> RunOneCampaign(const schema::ResolvedConfig& given, const Surroundings& surroundings);

}  // namespace orrery::runners
