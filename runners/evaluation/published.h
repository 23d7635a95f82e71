// SPDX-License-Identifier: Apache-2.0
#pragma once

// rStar-Math's own figures (arXiv 2501.04519, tables 1 to 8), to stand beside ours.

#include <string_view>
#include <vector>

namespace orrery::runners {

struct PublishedRow {
  std::string_view part;  // what the rows of this part compare
  std::string_view system;
  double percent;
};

// Of one benchmark (evaluate.benchmark), each part's rows together; empty for one without figures.
std::vector<PublishedRow> PublishedRows(std::string_view benchmark);

}  // namespace orrery::runners
