// SPDX-License-Identifier: Apache-2.0
#pragma once

// Finds the first stop string in text that arrives token by token.
//
// The stop that is complete first wins, as if the text came byte by byte, so that the cut does not depend on where
// tokens begin; of several complete at the same byte the longest wins.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery::model {

class StopMatcher {
 public:
  struct Match {
    size_t begin;  // of the stop in the text
    size_t stop;   // which of the stops
  };

  explicit StopMatcher(std::vector<std::string> stops);

  // Appends bytes; the match, once there is one, ends the text and further calls are not allowed.
  std::optional<Match> Append(std::string_view bytes);

  const std::string& text() const { return text_; }
  const std::string& stop(size_t i) const { return stops_[i]; }

 private:
  std::vector<std::string> stops_;  // none empty
  std::string text_;
};

}  // namespace orrery::model
