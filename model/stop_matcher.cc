// SPDX-License-Identifier: Apache-2.0
#include "model/stop_matcher.h"

#include <utility>

namespace orrery::model {

StopMatcher::StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

std::optional<StopMatcher::Match> StopMatcher::Append(std::string_view bytes) {
  for (const char byte : bytes) {
    text_.push_back(byte);
    std::optional<Match> found;
    for (size_t i = 0; i < stops_.size(); ++i) {
      if (!text_.ends_with(stops_[i])) continue;
      const size_t begin = text_.size() - stops_[i].size();
      if (!found || begin < found->begin) found = Match{begin, i};
    }
    if (found) return found;
  }
  return std::nullopt;
}

}  // namespace orrery::model
