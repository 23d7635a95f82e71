// SPDX-License-Identifier: Apache-2.0
#pragma once

// Matrix products in int8 (weights and activations), exact in int32, on AMX, on AVX-512 VNNI and on AVX2: the same
// bits.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/kernels.h"

namespace orrery::kernels::cpu {

// A block of columns as it is multiplied. Panels of 32 columns: [panel][k/64][2][16 groups of 4 k][16 columns][4];
// padding columns and k are zeros. For the product on VNNI every value is shifted up by kVnniShift.
struct Int8Block {
  const int8_t* values;
  const float* scales;  // of each column
  int depth;            // k, padded to 64
  int panels;
};

inline constexpr int kVnniShift = 128;

// x: rows as Backend::Quantise writes them; y: as in Matrix::Multiply.
using Int8Product = void (*)(const Int8Block& w, const uint8_t* x, int rows, float* y, ptrdiff_t y_stride);
void AmxInt8Product(const Int8Block& w, const uint8_t* x, int rows, float* y, ptrdiff_t y_stride);
void VnniInt8Product(const Int8Block& w, const uint8_t* x, int rows, float* y, ptrdiff_t y_stride);
void Avx2Int8Product(const Int8Block& w, const uint8_t* x, int rows, float* y, ptrdiff_t y_stride);

// Whether the processor has AVX-512 VNNI, and ONEDNN_MAX_CPU_ISA does not forbid it.
bool VnniPermitted();

std::unique_ptr<Matrix> NewInt8Matrix(int n, int k, int block_columns, Isa isa);
size_t Int8MatrixBytes(int n, int k, int block_columns);

}  // namespace orrery::kernels::cpu
