// SPDX-License-Identifier: Apache-2.0
#pragma once

// The report's pictures, as inline SVG that follows the page's colours (store/report_page.h).

#include <string>
#include <string_view>
#include <vector>

#include "schema/records_generated.h"
#include "search/tree.h"

namespace orrery::store {

struct Bar {
  std::string label;
  uint64_t solved = 0;
  uint64_t all = 0;
};

// One horizontal bar a group: its solved share filled, "12 of 14 (86%)" beside it.
std::string DrawBars(const std::vector<Bar>& bars);

// The tree from left to right, a node a circle coloured by Q, at most the first `limit` nodes in depth-first order. The
// path to `best` (-1: none) is drawn thick.
std::string DrawTree(const schema::TreeRecord& record, const search::Tree& tree, int best, int limit);

// The colour class of a value in [-1, 1]: "q0" (−1) to "q6" (+1).
std::string ColourClass(double q);

// "right", "wrong", "dead end", "too deep"; empty where the search goes on.
std::string_view EndWord(const search::Node& node);

// A step's first line that says something: without "#" and markers.
std::string FirstWords(std::string_view step);

}  // namespace orrery::store
