// SPDX-License-Identifier: Apache-2.0
#pragma once

// Matrix products and attention on AMX tiles (bfloat16 in, float32 out).
//
// A tile product computes every row by itself in an order fixed by the instruction, so rows never see each other:
// sixteen rows of whatever origin may share a tile.

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace orrery::kernels::cpu {

// Asks the kernel for the tile registers, once per process; false where they are not to be had.
bool AmxPermitted();

// Panels of 32 columns: [panel][k/32][2][16 pairs of k][16 columns][2]. Padding columns and k are zeros.
// w: the first panel; k padded to 32; x: [PaddedRows(rows)][k], or those rows in tiles (kernels.h); y:
// [PaddedRows(rows)] with room for 32·panels columns.
void AmxProduct(const uint16_t* w, int k, int panels, const uint16_t* x, bool tiled, int rows, float* y,
                ptrdiff_t y_stride);

// One block of such panels from rows of W (k apart), or from rows of Wᵀ as Matrix::PackColumns has them, beginning with
// the block's first column.
void AmxPack(const float* w, int k, int columns, int padded_k, uint16_t* panels);
void AmxPackColumns(const float* from, ptrdiff_t stride, int depth, int columns, int padded_k, uint16_t* panels);
void AmxPackColumns(const uint16_t* from, ptrdiff_t stride, int depth, int columns, int padded_k, uint16_t* panels);

// Keys as [kv_head][d/32][2][16 pairs of d][16 slots][2], values as [kv_head][d/16][16 pairs of slots][16 d][2].
size_t AmxKeyIndex(int head_dim, int kv_head, int d, int slot);
size_t AmxValueIndex(int head_dim, int kv_head, int d, int slot);
bool AmxAttends(const AttentionShape& shape);  // head_dim is 32, 64, 96 or 128
void AmxAttend(const AttentionShape& shape, const AttentionRows& rows, int kv_head, int first, int last);
// One token's keys and values, rounded, at `slot` of a page.
void AmxWriteKv(const AttentionShape& shape, const float* k, const float* v, uint16_t* page, int slot);

}  // namespace orrery::kernels::cpu
