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

// What part of its problems its rounds solved, in a sentence.
inline constexpr std::string_view kPublishedShares =
    "For scale: of rStar-Math's 747,000 problems 60.2%, 66.6%, 77.9% and 90.3% were solved after its four rounds; of "
    "those of GSM8K's level 96.6% to 98.2%, of MATH's 67.4% to 94.5%, of olympiads 21.0% to 80.6% (arXiv 2501.04519).";

}  // namespace orrery::runners
