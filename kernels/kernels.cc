// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernels.h"

#include <cstring>
#include <dnnl.hpp>
#include <vector>

#include "kernels/bfloat16.h"
#include "kernels/cpu/amx.h"
#include "kernels/cpu/backend.h"
#include "kernels/reference/reference.h"

namespace orrery::kernels {

Isa HostIsa() {
  const int best = static_cast<int>(dnnl::get_effective_cpu_isa());
  const auto has = [best](dnnl::cpu_isa isa) { return (best & static_cast<int>(isa)) == static_cast<int>(isa); };
  if (has(dnnl::cpu_isa::avx512_core_amx) && cpu::AmxPermitted()) return Isa::kAmx;
  if (has(dnnl::cpu_isa::avx512_core_bf16)) return Isa::kAvx512Bf16;
  if (has(dnnl::cpu_isa::avx512_core)) return Isa::kAvx512;
  return Isa::kAvx2;
}

std::string_view Name(Isa isa) {
  switch (isa) {
    case Isa::kReference: return "reference";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvx512: return "avx512";
    case Isa::kAvx512Bf16: return "avx512-bf16";
    case Isa::kAmx: return "amx";
  }
  return "unknown";
}

void Matrix::PackColumns(int block, const void* transposed, Type type, ptrdiff_t stride, int depth) {
  const size_t left = static_cast<size_t>(block) * block_columns();
  std::vector<float> rows(static_cast<size_t>(columns(block)) * k());
  for (int i = 0; i < depth; ++i) {
    for (int c = 0; c < columns(block); ++c) {
      const size_t at = i * stride + left + c;
      rows[static_cast<size_t>(c) * k() + i] = type == Type::kFloat32
                                                   ? static_cast<const float*>(transposed)[at]
                                                   : FromBfloat16(static_cast<const uint16_t*>(transposed)[at]);
    }
  }
  Pack(block, rows.data());
}

void ArrangeRows(RowLayout layout, const uint16_t* x, int padded_width, int first, void* arranged) {
  const uint16_t* rows = x + static_cast<ptrdiff_t>(first) * padded_width;
  if (layout == RowLayout::kFloats) {
    auto* to = static_cast<uint32_t*>(arranged) + static_cast<ptrdiff_t>(first) * padded_width;
    for (ptrdiff_t i = 0; i < ptrdiff_t{kRowTile} * padded_width; ++i) to[i] = uint32_t{rows[i]} << 16;
    return;
  }
  uint16_t* to = static_cast<uint16_t*>(arranged) + static_cast<ptrdiff_t>(first) * padded_width;
  for (int column = 0; column < padded_width; column += 32) {
    for (int r = 0; r < kRowTile; ++r, to += 32)
      std::memcpy(to, rows + static_cast<ptrdiff_t>(r) * padded_width + column, 32 * sizeof(uint16_t));
  }
}

std::unique_ptr<Backend> Backend::Create(Isa isa, Type type, WeightType weights) {
  return isa == Isa::kReference ? reference::NewBackend(type, weights) : cpu::NewBackend(isa, type, weights);
}

}  // namespace orrery::kernels
