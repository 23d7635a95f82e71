// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "kernels/cpu/amx.h"
#include "kernels/cpu/amx_tiles.inc"

namespace orrery::kernels::cpu {

bool AmxPermitted() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  static const bool permitted = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return permitted;
}

#pragma GCC push_options
#pragma GCC target("amx-tile,amx-bf16,avx512f")

namespace {

constexpr int kTileElements = 512;
constexpr int kLineElements = 32;
constexpr int kPanelLines = 2 * kTileElements / kLineElements;  // of a panel, for each step of 32 in depth
// Many deep rows do not fit into the second-level cache: then the depth is taken in pieces of this much. Sums that rest
// in y between pieces keep their bits.
constexpr int kPieceDepth = 608, kManyRows = 64, kDeep = 2048;

// Part of a product: `depth` of k, sums begun anew or gone on with. While one panel is multiplied the next one is
// fetched from memory, `lines` of it a step, so that memory and multiplier work at the same time.
struct Part {
  int depth;
  bool first;
  int lines;
  const uint16_t* next;
};

// How a group of sixteen rows lies: from one row to the next, and from one element in depth to the next multiple of 32.
struct Lines {
  ptrdiff_t row;  // elements
  int depth;      // elements for each one in depth
};

constexpr int kAhead = 2;  // steps of 32 in depth by which rows are fetched into the first-level cache

inline void FetchRows(const uint16_t* x, const Lines& lines) {
  for (int r = 0; r < kRowTile; ++r)
    _mm_prefetch(reinterpret_cast<const char*>(x + kAhead * 32 * lines.depth + r * lines.row), _MM_HINT_T0);
}

inline void Fetch(Part& part) {
  for (int i = 0; i < part.lines; ++i)
    _mm_prefetch(reinterpret_cast<const char*>(part.next + i * kLineElements), _MM_HINT_T1);
  part.next += part.lines * kLineElements;
}

void Rows32(const uint16_t* w, const uint16_t* x, int k, const Lines& lines, Part& part, float* y, ptrdiff_t y_stride) {
  const uint16_t* lower = x + ptrdiff_t{16} * k;
  const ptrdiff_t x_bytes = lines.row * 2, y_bytes = y_stride * 4;
  const int step = 32 * lines.depth;
  float* y_lower = y + 16 * y_stride;
  if (part.first) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, y, y_bytes);
    _tile_loadd(1, y + 16, y_bytes);
    _tile_loadd(2, y_lower, y_bytes);
    _tile_loadd(3, y_lower + 16, y_bytes);
  }
  for (int i = 0; i < part.depth; i += 32, w += 2 * kTileElements, x += step, lower += step) {
    Fetch(part);
    FetchRows(x, lines);
    FetchRows(lower, lines);
    _tile_loadd(6, w, 64);
    _tile_loadd(4, x, x_bytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, w + kTileElements, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, lower, x_bytes);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, y, y_bytes);
  _tile_stored(1, y + 16, y_bytes);
  _tile_stored(2, y_lower, y_bytes);
  _tile_stored(3, y_lower + 16, y_bytes);
}

void Rows16(const uint16_t* w, const uint16_t* x, const Lines& lines, Part& part, float* y, ptrdiff_t y_stride) {
  const ptrdiff_t x_bytes = lines.row * 2, y_bytes = y_stride * 4;
  const int step = 32 * lines.depth;
  if (part.first) {
    _tile_zero(0);
    _tile_zero(1);
  } else {
    _tile_loadd(0, y, y_bytes);
    _tile_loadd(1, y + 16, y_bytes);
  }
  for (int i = 0; i < part.depth; i += 32, w += 2 * kTileElements, x += step) {
    Fetch(part);
    _tile_loadd(4, x, x_bytes);
    _tile_loadd(6, w, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, w + kTileElements, 64);
    _tile_dpbf16ps(1, 4, 7);
  }
  _tile_stored(0, y, y_bytes);
  _tile_stored(1, y + 16, y_bytes);
}

}  // namespace

void AmxProduct(const uint16_t* w, int k, int panels, const uint16_t* x, bool tiled, int rows, float* y,
                ptrdiff_t y_stride) {
  LoadWholeTiles();
  const Lines lines = tiled ? Lines{32, kRowTile} : Lines{k, 1};
  const int piece = rows > kManyRows && k > kDeep ? kPieceDepth : k, passes = (rows + 31) / 32;
  const ptrdiff_t panel = ptrdiff_t{32} * k;
  for (int begin = 0; begin < k; begin += piece) {
    const int depth = std::min(piece, k - begin);
    for (int p = 0; p < panels; ++p) {
      const uint16_t* here = w + p * panel + ptrdiff_t{32} * begin;
      const uint16_t* next = p + 1 < panels      ? here + panel
                             : begin + depth < k ? w + ptrdiff_t{32} * (begin + depth)
                                                 : w + panels * panel;
      Part part{depth, begin == 0, std::max(1, kPanelLines / passes), next};
      for (int r = 0; r < rows; r += 32) {
        const uint16_t* from = x + ptrdiff_t{r} * k + ptrdiff_t{begin} * lines.depth;
        float* to = y + r * y_stride + p * 32;
        if (r + 16 < rows) {
          Rows32(here, from, k, lines, part, to, y_stride);
        } else {
          Rows16(here, from, lines, part, to, y_stride);
        }
      }
    }
  }
  _tile_release();
}

#pragma GCC pop_options

}  // namespace orrery::kernels::cpu
