// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include <cstring>

#include "kernels/cpu/scratch.h"
#include "kernels/cpu/vector.h"
#include "kernels/quantise.h"

// Only what follows may use wider registers; nothing of it is inline across object files.
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
namespace orrery::kernels::cpu {
namespace {
#include "kernels/cpu/lanes_avx512.inc"
#include "kernels/cpu/vector.inc"
}  // namespace
}  // namespace orrery::kernels::cpu
#pragma GCC pop_options

namespace orrery::kernels::cpu {

template <>
const VectorTable<float>& Avx512Table<float>() {
  return Table<float>();
}
template <>
const VectorTable<uint16_t>& Avx512Table<uint16_t>() {
  return Table<uint16_t>();
}

}  // namespace orrery::kernels::cpu
