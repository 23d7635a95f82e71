// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sums over the lanes of a block or of a warp, in the order that reference.h tells: what the ordered definitions of the
// forward pass and of training have in common.

#include <array>
#include <cstddef>

namespace orrery::kernels::reference {

inline constexpr int kWarp = 32;

template <class T, size_t kLanes>
T Total(std::array<T, kLanes> lanes) {
  T total = 0;
  for (size_t group = 0; group < kLanes; group += kWarp) {
    for (int distance = kWarp / 2; distance > 0; distance /= 2) {
      for (int i = 0; i < distance; ++i) lanes[group + i] += lanes[group + i + distance];
    }
    total = group == 0 ? lanes[0] : total + lanes[group];
  }
  return total;
}

}  // namespace orrery::kernels::reference
