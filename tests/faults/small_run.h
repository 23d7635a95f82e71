// SPDX-License-Identifier: Apache-2.0
#pragma once

// A real campaign of seconds (135M model, sandbox, grader) that the fault runs break, and what they ask of it
// afterwards.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/runners/program.h"

namespace orrery::faults {

// An empty folder for one run.
std::filesystem::path Fresh();

// The program, its output in `out`.
Ended RunCampaign(const std::filesystem::path& out, const std::vector<std::string>& more = {},
                  const std::vector<std::string>& environment = {},
                  const std::function<void(int pid)>& while_running = nullptr);

// Expansions that the store of a run holds, those of finished trees and those of the memo; none where there is no store
// yet. Fails the test where a record cannot be read.
uint64_t StoredExpansions(const std::filesystem::path& out);

// Every file that is replaced at once is whole or absent; with `finished` all are there and nothing is left beside
// them.
void ExpectWholeExports(const std::filesystem::path& out, bool finished);

// A run that nothing disturbed.
struct Undisturbed {
  std::filesystem::path out;
  std::string digest;
  std::string trajectories, preferences;  // bytes
  uint64_t expansions = 0;
};
Undisturbed MakeUndisturbed(const std::vector<std::string>& more = {});

// After a fault: what was acknowledged is there (`acknowledged` at least), the run goes on to the records and files of
// the undisturbed one, and pays for exactly what was missing.
void ExpectResumes(const std::filesystem::path& out, const Undisturbed& expected, uint64_t acknowledged,
                   const std::vector<std::string>& more = {});

// How many of `share` faults in 30 to do: ORRERY_FAULTS of all kinds together, 30 unless it says another number.
int Faults(int share);

}  // namespace orrery::faults
