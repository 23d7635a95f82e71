// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include <cstring>

#include "kernels/cpu/scratch.h"
#include "kernels/cpu/vector.h"
#include "kernels/quantise.h"

namespace orrery::kernels::cpu {
namespace {
#include "kernels/cpu/lanes_avx2.inc"
#include "kernels/cpu/vector.inc"
}  // namespace

template <>
const VectorTable<float>& Avx2Table<float>() {
  return Table<float>();
}
template <>
const VectorTable<uint16_t>& Avx2Table<uint16_t>() {
  return Table<uint16_t>();
}

}  // namespace orrery::kernels::cpu
