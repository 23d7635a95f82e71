// SPDX-License-Identifier: Apache-2.0
#pragma once

// The hand-vectorised operations, compiled once for AVX2 and once for AVX-512 and chosen at run time through a table.
//
// All of them work in sixteen lanes with the same operations in the same order, so both tables give the same bits.

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace orrery::kernels::cpu {

// T is float or uint16_t (bfloat16).
template <class T>
struct VectorTable {
  void (*rms_norm)(const float* x, const float* gain, int width, float eps, T* out);
  void (*swiglu)(const float* gate_up, int count, int block, T* out);
  void (*add)(float* x, const float* y, int count);
  // `count` pairs turned by an angle each: (x[i], y[i]), or (x[2i], x[2i + 1]).
  void (*rope_halves)(float* x, float* y, int count, const float* cosine, const float* sine);
  void (*rope_neighbours)(float* x, int count, const float* cosine, const float* sine);
  void (*quantise)(const T* x, int width, uint8_t* out);  // Backend::Quantise
  // y[r][0 … 16·panels) = x[r]·W, W in panels of sixteen columns: bfloat16 as [k/2][16][2], float32 as [k][16].
  // Rows of x are k apart.
  void (*product)(const T* w, int k, int panels, const T* x, int rows, float* y, ptrdiff_t y_stride);
  // The same of rows that are float32 already (RowLayout::kFloats).
  void (*product_of_floats)(const T* w, int k, int panels, const float* x, int rows, float* y, ptrdiff_t y_stride);
  // Keys as [kv_head][dim][slot], values as [kv_head][slot][dim].
  void (*attend)(const AttentionShape& shape, const AttentionRows& rows, int kv_head, int first, int last);
  Backend::Peak (*maximum)(const float* logits, int count);
  double (*sum_exp)(const float* logits, int count, float shift, float scale);
  void (*exp)(const float* logits, int count, float shift, float scale, float* weights);
};

template <class T>
const VectorTable<T>& Avx2Table();
template <class T>
const VectorTable<T>& Avx512Table();

}  // namespace orrery::kernels::cpu
