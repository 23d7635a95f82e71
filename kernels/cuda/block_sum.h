// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sums over a block's threads, in the order that reference/reference.h defines.

#include "kernels/cuda/view.h"
#include "kernels/reference/reference.h"

namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE {

static_assert(kThreads == reference::kSumLanes);

// Every thread gets the sum of all threads' values. To be called once for each `sums`.
template <class T, class Context>
ORRERY_KERNEL T BlockSum(Context& context, SharedArray<T, kWarps>& sums, T value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) value += context.ShuffleXor(value, distance);
  if (context.thread() % kWarp == 0) sums[context.thread() / kWarp] = value;
  context.Sync();
  T total = sums[0];
  for (int warp = 1; warp < kWarps; ++warp) total += sums[warp];
  return total;
}

}  // namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE
