// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

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
// Weights stream from memory once per batch: fetch this far ahead of the tile in use.
constexpr int kAhead = 16 * kTileElements;

template <bool kPrefetch>
inline void FetchAhead(const uint16_t* w) {
  if constexpr (kPrefetch) {
    for (int line = 0; line < 2 * kTileElements; line += 32)
      _mm_prefetch(reinterpret_cast<const char*>(w + kAhead + line), _MM_HINT_T1);
  }
}

template <bool kPrefetch>
void Rows32(const uint16_t* w, int k, const uint16_t* x, float* y, ptrdiff_t y_stride) {
  const uint16_t* lower = x + ptrdiff_t{16} * k;
  const ptrdiff_t x_bytes = ptrdiff_t{k} * 2;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int i = 0; i < k; i += 32, w += 2 * kTileElements) {
    FetchAhead<kPrefetch>(w);
    _tile_loadd(6, w, 64);
    _tile_loadd(4, x + i, x_bytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, w + kTileElements, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, lower + i, x_bytes);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, y, y_stride * 4);
  _tile_stored(1, y + 16, y_stride * 4);
  _tile_stored(2, y + 16 * y_stride, y_stride * 4);
  _tile_stored(3, y + 16 * y_stride + 16, y_stride * 4);
}

template <bool kPrefetch>
void Rows16(const uint16_t* w, int k, const uint16_t* x, float* y, ptrdiff_t y_stride) {
  const ptrdiff_t x_bytes = ptrdiff_t{k} * 2;
  _tile_zero(0);
  _tile_zero(1);
  for (int i = 0; i < k; i += 32, w += 2 * kTileElements) {
    FetchAhead<kPrefetch>(w);
    _tile_loadd(4, x + i, x_bytes);
    _tile_loadd(6, w, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, w + kTileElements, 64);
    _tile_dpbf16ps(1, 4, 7);
  }
  _tile_stored(0, y, y_stride * 4);
  _tile_stored(1, y + 16, y_stride * 4);
}

}  // namespace

void AmxProduct(const uint16_t* w, int k, int panels, const uint16_t* x, int rows, float* y, ptrdiff_t y_stride) {
  LoadWholeTiles();
  for (int p = 0; p < panels; ++p, w += ptrdiff_t{32} * k, y += 32) {
    int r = 0;
    if (rows <= 16) {
      Rows16<true>(w, k, x, y, y_stride);
      continue;
    }
    Rows32<true>(w, k, x, y, y_stride);
    for (r = 32; r + 16 < rows; r += 32) Rows32<false>(w, k, x + ptrdiff_t{r} * k, y + r * y_stride, y_stride);
    if (r < rows) Rows16<false>(w, k, x + ptrdiff_t{r} * k, y + r * y_stride, y_stride);
  }
  _tile_release();
}

#pragma GCC pop_options

}  // namespace orrery::kernels::cpu
