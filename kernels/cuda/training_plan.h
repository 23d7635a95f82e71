// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the host works out for a training's kernels before they run: what each row sees, how sequences are cut into
// blocks' pieces, which rows are one token's.

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "kernels/training.h"

namespace orrery::kernels::cuda {

// Of each row: the first row that it sees, and the rows [prefix, branch) that it does not; as Sight has them.
inline std::vector<int32_t> SightsOf(const Sequences& sequences, int window) {
  std::vector<int32_t> sights;
  for (int s = 0; s < sequences.count(); ++s) {
    const int32_t begin = sequences.begins[s];
    for (int i = 0; i < sequences.length(s); ++i) {
      const int first = window > 0 ? std::max(0, i - window + 1) : 0;
      sights.insert(sights.end(), {begin + first, begin + sequences.prefix(s, i), begin + sequences.branch(s, i)});
    }
  }
  return sights;
}

inline std::vector<int32_t> PositionsOf(const Sequences& sequences) {
  std::vector<int32_t> positions;
  for (int s = 0; s < sequences.count(); ++s) {
    for (int i = 0; i < sequences.length(s); ++i) positions.push_back(sequences.position(s, i));
  }
  return positions;
}

// The sequences cut into pieces of at most `most` rows: four numbers each, as Piece has them.
inline std::vector<int32_t> PiecesOf(const Sequences& sequences, int most) {
  std::vector<int32_t> pieces;
  for (int s = 0; s < sequences.count(); ++s) {
    const int32_t begin = sequences.begins[s], end = sequences.begins[s + 1];
    for (int32_t first = begin; first < end; first += most)
      pieces.insert(pieces.end(), {begin, end, first, std::min(end, first + most)});
  }
  return pieces;
}

// Rows by their token, those of one token in their order.
struct TokenGroups {
  explicit TokenGroups(std::span<const int32_t> of) : order(of.size()) {
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, {}, [&](int32_t r) { return of[r]; });
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0 && of[order[i]] == tokens.back()) continue;
      begins.push_back(static_cast<int32_t>(i));
      tokens.push_back(of[order[i]]);
    }
    begins.push_back(static_cast<int32_t>(order.size()));
  }
  std::vector<int32_t> order, begins, tokens;  // begins: of each token's rows in `order`, and the end
};

}  // namespace orrery::kernels::cuda
