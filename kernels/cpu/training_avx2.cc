// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "kernels/cpu/scratch.h"
#include "kernels/cpu/training_table.h"

namespace orrery::kernels::cpu {
namespace {
#include "kernels/cpu/lanes_avx2.inc"
#include "kernels/cpu/training.inc"
}  // namespace

const TrainingTable& Avx2TrainingTable() { return TheTrainingTable(); }

}  // namespace orrery::kernels::cpu
