// SPDX-License-Identifier: Apache-2.0
#pragma once

// The operations of kernels.h as plain loops, for reading and for comparison; slow. Two definitions: one sums in double
// precision and says what is meant; one sums in float32 in the order that kernels/cuda promises, bit for bit.

#include <memory>

#include "kernels/kernels.h"

namespace orrery::kernels::reference {

// Sums in double precision.
std::unique_ptr<Backend> NewBackend(Type type, WeightType weights = WeightType::kSame);

// Sums over a row run in float32 over kSumLanes lanes: lane l takes the elements l, l + kSumLanes, … in this order;
// then within each group of 32 lanes the lane i adds lane i + 16's sum, then i + 8's, i + 4's, i + 2's and i + 1's;
// then the groups' sums follow each other. Attention takes keys in ascending order, page by page, with the page's
// largest score known before its weights (online softmax); scores and values are sums by fused multiply-add.
// Exponentials are those of portable.h. Products are the other definition's, in double precision.
inline constexpr int kSumLanes = 256;
std::unique_ptr<Backend> NewOrderedBackend(Type type);

// A matrix of both definitions.
std::unique_ptr<Matrix> NewMatrix(int n, int k, Type type);

}  // namespace orrery::kernels::reference
