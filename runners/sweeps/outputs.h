// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a sweep leaves beside its cells: table.md, table.csv, cells.csv, sweep.json and report.html, the same bytes for
// the same sweep; and measured.csv, which is the machine's.

#include <filesystem>
#include <string>
#include <vector>

#include "base/status.h"
#include "runners/sweeps/grid.h"
#include "runners/sweeps/results.h"

namespace orrery::runners {

// The table as Markdown, with a line on how its intervals were made and a list of what is missing from it.
std::string TableText(const Sweep& sweep, const std::vector<CellResult>& results,
                      const std::vector<PointResult>& points);
// A line a setting, and a line a cell.
std::string TableCsv(const Sweep& sweep, const std::vector<PointResult>& points);
std::string CellsCsv(const Sweep& sweep, const std::vector<CellResult>& results);
std::string SweepJson(const Sweep& sweep, const std::vector<CellResult>& results,
                      const std::vector<PointResult>& points);

// Writes all of them, each at once or not at all; the table, for standard output.
StatusOr<std::string> WriteSweep(const std::filesystem::path& out, const Sweep& sweep,
                                 const std::vector<CellResult>& results);

// "12.3", of a share; "–" where there is none.
std::string PercentText(double share);
// How the intervals were made.
std::string MethodText();

}  // namespace orrery::runners
