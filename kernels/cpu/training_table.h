// SPDX-License-Identifier: Apache-2.0
#pragma once

// The vectorised units of a training step (kernels/training.h), compiled once for AVX2 and once for AVX-512: the same
// bits.

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace orrery::kernels::cpu {

// One sequence and one key-value head of an attention; pointers are to the sequence's first row.
struct AttentionUnit {
  AttentionShape shape;
  int kv_head = 0, length = 0, window = 0, prefix = 0;
  const int32_t* branches = nullptr;  // of each row, as in Sequences; null: none
  const float* qkv = nullptr;
  float* out = nullptr;       // forward: written; backward: read
  float* log_sums = nullptr;  // forward: written; backward: read
  const float* dout = nullptr;
  float* dqkv = nullptr;  // this head's queries, keys and values, zeros at first
};

// What does not change within a step of AdamW.
struct AdamWConstants {
  float scale, beta1, beta2, rate, decay;  // decay: rate · decay
  float first, second;                     // 1 / (1 − β^step)
  float epsilon;
};

struct TrainingTable {
  // One row; dgain is a partial sum.
  void (*rms_norm_gradient)(const float* x, const float* gain, int width, float eps, const float* dout, float* dx,
                            float* dgain);
  void (*attend)(const AttentionUnit& unit);
  void (*attend_gradient)(const AttentionUnit& unit);
  void (*swiglu_float32)(const float* gate_up, int width, float* out);
  void (*swiglu_bfloat16)(const float* gate_up, int width, uint16_t* out);
  void (*swiglu_gradient)(const float* gate_up, const float* dout, int width, float* dgate_up);
  // out[i] = weight · (exp(logits[i] − log_sum) − (i == target))
  void (*softmax_gradient_float32)(const float* logits, int count, float log_sum, int target, float weight, float* out);
  void (*softmax_gradient_bfloat16)(const float* logits, int count, float log_sum, int target, float weight,
                                    uint16_t* out);
  void (*adamw)(const AdamWConstants& constants, size_t count, const float* gradient, float* w, float* m, float* v);
};

const TrainingTable& Avx2TrainingTable();
const TrainingTable& Avx512TrainingTable();

}  // namespace orrery::kernels::cpu
