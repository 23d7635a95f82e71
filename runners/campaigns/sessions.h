// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the sessions of a campaign spent that were stopped or killed before this one: a campaign may be run in parts.

#include <cstdint>
#include <filesystem>

namespace orrery::runners {

struct Spent {
  double seconds = 0;   // of the search
  uint64_t tokens = 0;  // sampled
  uint64_t batches = 0;
  uint64_t rows = 0;

  Spent& operator+=(const Spent& other);
};

// From the lines that the telemetry actor adds to `telemetry_file`, whose counts begin anew with each session: the last
// line of every one is taken. Nothing where there is no such file; a line that is no JSON (torn by a kill) is passed
// over, as are the last seconds of a session that was killed, of which it wrote no line.
Spent SpentBefore(const std::filesystem::path& telemetry_file);

}  // namespace orrery::runners
