// SPDX-License-Identifier: Apache-2.0
#pragma once

// report.html: one file, without the network, that shows a person what a campaign found.

#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "store/export.h"
#include "store/summary.h"

namespace orrery::store {

struct ReportInput {
  std::string title;                                          // "quickstart, paper-r1"
  std::vector<std::pair<std::string, std::string>> settings;  // shown in this order: {"search.rollouts", "8"}
  std::string isolation;                                      // "bubblewrap", "none" (shown in red)
  Summary summary;
  ExportCounts exported;
  size_t output_limit = 4096;
  size_t table_rows = 2000;  // problems listed at most; the rest are counted
  int tree_nodes = 60;       // nodes of the drawn tree at most
};

// The page's HTML. Reads the finished trees one by one.
StatusOr<std::string> MakeReport(const Store& store, const std::vector<ProblemName>& problems,
                                 const ReportInput& input);
Status WriteReport(const Store& store, const std::vector<ProblemName>& problems, const ReportInput& input,
                   const std::filesystem::path& path);

}  // namespace orrery::store
