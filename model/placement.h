// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which of several engines of one model, each on a device of its own, a request goes to: where most pages of the cache
// stay free, and rather where its prompt's begin has been read before.
//
// What an engine holds is guessed from what was sent there: as many of the latest prompts' pages as its cache has. A
// wrong guess costs time alone. What a request generates does not depend on where it runs, so nothing here enters a
// record.

#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>
#include <vector>

#include "model/tokenizer/tokenizer.h"

namespace orrery::model {

class Placement {
 public:
  // Computing a page of a prompt again is worth leaving so many others to the fuller engine.
  static constexpr int64_t kPageCost = 8;

  // `pages`: of each engine's cache; 0: not known.
  explicit Placement(const std::vector<uint64_t>& pages);

  struct Place {
    size_t engine = 0;
    int64_t pages = 0;  // that it takes there until it is given back
  };
  // The lowest engine number on a tie.
  Place Take(std::span<const TokenId> prompt);
  void GiveBack(const Place& place);

 private:
  // The latest pages of one engine; a page is known by a hash of all tokens up to its end.
  struct Known {
    int64_t most = 0, held = 0;
    std::list<uint64_t> latest;  // first
    std::unordered_map<uint64_t, std::list<uint64_t>::iterator> places;

    int64_t Matched(const std::vector<uint64_t>& pages) const;
    void Note(uint64_t page);
  };

  std::vector<Known> engines_;
};

}  // namespace orrery::model
