// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the cells of a sweep came to, and what the cells of one setting say together.

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "runners/sweeps/grid.h"
#include "runners/sweeps/statistics.h"

namespace orrery::runners {

enum class CellState : uint8_t {
  kWaiting,     // was not run
  kUnfinished,  // was stopped; a second start goes on
  kFailed,
  kFinished,
};
std::string_view Name(CellState state);

struct CellResult {
  CellState state = CellState::kWaiting;
  std::string failure;  // why it failed, one line
  // Of a finished one:
  Solved solved;
  std::string digest, fingerprint, model;
  uint64_t right = 0;  // problems solved
  uint64_t rollouts = 0, expansions = 0, candidates = 0, tokens = 0, steps = 0;
  uint64_t environmental = 0;  // verdicts that may differ on another machine
  // Measured on this machine; in no file that promises the same bytes.
  double seconds = 0, tokens_per_second = 0;

  double share() const { return solved.empty() ? 0 : static_cast<double>(right) / static_cast<double>(solved.size()); }
};

// A finished cell as its folder tells it. Corrupt where a problem has no record or the summary cannot be read.
StatusOr<CellResult> ReadCell(const schema::ResolvedConfig& config);

// The finished cells of one setting.
struct PointResult {
  Spread solved;  // the share of problems solved
  Spread tokens;  // generated, a problem
  Paired paired;  // against the baseline; of the baseline itself nothing
  uint64_t cells = 0;
};

std::vector<PointResult> Analyse(const Sweep& sweep, const std::vector<CellResult>& results);

}  // namespace orrery::runners
