// SPDX-License-Identifier: Apache-2.0
#pragma once

// report.html of a sweep: one file, without the network, that shows a person which setting did what.

#include <string>
#include <vector>

#include "runners/sweeps/grid.h"
#include "runners/sweeps/results.h"

namespace orrery::runners {

std::string SweepPage(const Sweep& sweep, const std::vector<CellResult>& results,
                      const std::vector<PointResult>& points);

}  // namespace orrery::runners
