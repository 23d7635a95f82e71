// SPDX-License-Identifier: Apache-2.0
#pragma once

// A training step as plain loops that sum in the order which kernels/cuda promises, bit for bit; slow.

#include <memory>

#include "kernels/training.h"

namespace orrery::kernels::reference {

// What reference.h says of the ordered back end holds here too: sums over a row run over kSumLanes lanes, exponentials
// are portable.h's and logarithms logarithm.h's. Beyond it:
// - Products are those of training_products.h.
// - A sum over rows (of a bias, of a gain) runs in double precision over kSumStripes stripes: stripe s takes the rows
// s,
//   s + kSumStripes, … in this order; then the stripes follow each other, and the float32 of the sum is added.
// - A token's rows are added to its row of the table in their order.
// - Attention takes tiles of kSightTile rows of the sequence, counted from its begin, with the largest score of a tile
//   known before its weights (online softmax). Scores are sums by fused multiply-add in ascending order of dimensions.
//   Its gradient makes every weight anew from the logarithm of the sum; a query's gradient takes keys in ascending
//   order, a key's and a value's take queries in ascending order of rows, then heads. The sum over dout·out takes the
//   dimensions d, d + 32, … by lane d, then the lanes as above.
// - A row's exponentials (of the loss) are summed in double precision over the lanes; the loss's logarithm is the
// host's.
// - Squares are summed in double precision over the lanes within each run of 65,536, then run by run.
inline constexpr int kSumStripes = 8;
inline constexpr int kSightTile = 32;
std::unique_ptr<TrainingOps> NewOrderedTraining(Type type);

}  // namespace orrery::kernels::reference
