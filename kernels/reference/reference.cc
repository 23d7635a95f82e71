// SPDX-License-Identifier: Apache-2.0
#include "kernels/reference/reference.h"

#include "kernels/reference/loops.h"

namespace orrery::kernels::reference {

std::unique_ptr<Backend> NewBackend(Type type, WeightType weights) {
  return std::make_unique<ReferenceBackend>(type, weights);
}

std::unique_ptr<Matrix> NewMatrix(int n, int k, Type type) { return std::make_unique<PlainMatrix>(n, k, type); }

}  // namespace orrery::kernels::reference
