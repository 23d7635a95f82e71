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

inline void Fetch(Part& part) {
  for (int i = 0; i < part.lines; ++i)
    _mm_prefetch(reinterpret_cast<const char*>(part.next + i * kLineElements), _MM_HINT_T1);
  part.next += part.lines * kLineElements;
}

void Rows32(const uint16_t* w, const uint16_t* x, int k, Part& part, float* y, ptrdiff_t y_stride) {
  const uint16_t* lower = x + ptrdiff_t{16} * k;
  const ptrdiff_t x_bytes = ptrdiff_t{k} * 2, y_bytes = y_stride * 4;
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
  for (int i = 0; i < part.depth; i += 32, w += 2 * kTileElements) {
    Fetch(part);
    _tile_loadd(6, w, 64);
    _tile_loadd(4, x + i, x_bytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, w + kTileElements, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, lower + i, x_bytes);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, y, y_bytes);
  _tile_stored(1, y + 16, y_bytes);
  _tile_stored(2, y_lower, y_bytes);
  _tile_stored(3, y_lower + 16, y_bytes);
}

void Rows16(const uint16_t* w, const uint16_t* x, int k, Part& part, float* y, ptrdiff_t y_stride) {
  const ptrdiff_t x_bytes = ptrdiff_t{k} * 2, y_bytes = y_stride * 4;
  if (part.first) {
    _tile_zero(0);
    _tile_zero(1);
  } else {
    _tile_loadd(0, y, y_bytes);
    _tile_loadd(1, y + 16, y_bytes);
  }
  for (int i = 0; i < part.depth; i += 32, w += 2 * kTileElements) {
    Fetch(part);
    _tile_loadd(4, x + i, x_bytes);
    _tile_loadd(6, w, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, w + kTileElements, 64);
    _tile_dpbf16ps(1, 4, 7);
  }
  _tile_stored(0, y, y_bytes);
  _tile_stored(1, y + 16, y_bytes);
}

}  // namespace

void AmxProduct(const uint16_t* w, int k, int panels, const uint16_t* x, int rows, float* y, ptrdiff_t y_stride) {
  LoadWholeTiles();
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
        const uint16_t* from = x + ptrdiff_t{r} * k + begin;
        float* to = y + r * y_stride + p * 32;
        if (r + 16 < rows) {
          Rows32(here, from, k, part, to, y_stride);
        } else {
          Rows16(here, from, k, part, to, y_stride);
        }
      }
    }
  }
  _tile_release();
}

#pragma GCC pop_options

}  // namespace orrery::kernels::cpu
