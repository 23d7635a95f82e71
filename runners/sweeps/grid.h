// SPDX-License-Identifier: Apache-2.0
#pragma once

// A sweep as its file tells it: every setting of a grid with every seed, each of these cells a campaign.
//
//   {
//     "sweep": {"seeds": "1-3", "baseline": "search.temperature=0.7", "parallel": 2},   // schema/sweep.fbs
//     "grid": {"search.temperature": [0.4, 0.7], "search.candidates": [3, 5]},
//     "run": {…}, "search": {…}                                                          // a campaign's configuration
//   }
//
// Errors are one line that names file, line and key.

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "schema/config.h"

namespace orrery::runners {

// A key of the grid and its values.
struct Axis {
  std::string key;                  // "search.temperature"
  std::string label;                // "temperature"; the key itself where another axis ends in the same word
  std::vector<std::string> values;  // as --set takes them, in the file's order
};

// One setting of the grid: a row of the table.
struct Point {
  std::vector<std::string> values;  // one an axis
  std::string name;                 // "temperature=0.4,candidates=3"; "all" where there is no axis
};

// One campaign.
struct Cell {
  size_t point = 0;
  uint64_t seed = 0;
  std::string name;  // of its folder: "temperature=0.4,candidates=3,seed=1"
};

struct Sweep {
  schema::ResolvedConfig base;  // what all cells have in common; run.out is the sweep's folder
  std::vector<Axis> axes;
  std::vector<uint64_t> seeds;
  std::vector<Point> points;  // the last axis changes fastest
  std::vector<Cell> cells;    // point after point, each with all seeds
  size_t baseline = 0;        // a point
  uint32_t parallel = 1;

  // The sweep as a file that ReadSweep reads to the same one.
  std::string Record() const;
};

inline constexpr size_t kMostCells = 100'000;

// Files and settings as a campaign takes them; settings of the section sweep ("sweep.seeds") too. Of several files the
// last grid counts.
StatusOr<Sweep> ReadSweep(const schema::ConfigSource& source);

// A cell's configuration, whose folder lies in cells/ of the sweep's.
StatusOr<schema::ResolvedConfig> ConfigOf(const Sweep& sweep, const Cell& cell);

// "1,5-7" is 1, 5, 6, 7; each once.
StatusOr<std::vector<uint64_t>> ParseSeeds(const std::string& text);

}  // namespace orrery::runners
