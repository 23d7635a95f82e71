// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "kernels/cpu/scratch.h"
#include "kernels/cpu/training_table.h"

// Only what follows may use wider registers; nothing of it is inline across object files.
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
namespace orrery::kernels::cpu {
namespace {
#include "kernels/cpu/lanes_avx512.inc"
#include "kernels/cpu/training.inc"
}  // namespace
}  // namespace orrery::kernels::cpu
#pragma GCC pop_options

namespace orrery::kernels::cpu {

const TrainingTable& Avx512TrainingTable() { return TheTrainingTable(); }

}  // namespace orrery::kernels::cpu
