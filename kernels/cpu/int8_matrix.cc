// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>
#include <dnnl.hpp>
#include <vector>

#include "kernels/cpu/backend.h"
#include "kernels/cpu/int8.h"
#include "kernels/quantise.h"

namespace orrery::kernels::cpu {
namespace {

constexpr size_t kReadAhead = size_t{64} << 10;  // kernels fetch beyond the end

size_t Depth(int k) { return QuantisedValues(k); }

// A block: its panels, its columns' scales.
size_t BlockBytes(int k, int block_columns) { return block_columns * (Depth(k) + sizeof(float)); }

// Processors had VNNI for years before they had bfloat16, so it is asked for by itself. All three give the same bits.
Int8Product ProductFor(Isa isa) {
  if (isa == Isa::kAmx) return AmxInt8Product;
  return isa >= Isa::kAvx512 && VnniPermitted() ? VnniInt8Product : Avx2Int8Product;
}

class Int8Matrix : public Matrix {
 public:
  Int8Matrix(int n, int k, int block_columns, Isa isa)
      : Matrix(n, k, block_columns, WeightType::kInt8),
        product_(ProductFor(isa)),
        memory_(Int8MatrixBytes(n, k, block_columns)) {}

  void Pack(int block, const float* w) override {
    uint8_t* base = Base(block);
    auto* scales = reinterpret_cast<float*>(base + block_columns() * Depth(k()));
    const int shift = product_ == VnniInt8Product ? kVnniShift : 0;
    std::memset(base, shift, block_columns() * Depth(k()));
    for (int c = 0; c < columns(block); ++c) {
      const float* row = w + static_cast<size_t>(c) * k();
      float largest = 0;
      for (int i = 0; i < k(); ++i) largest = std::max(largest, std::abs(row[i]));
      const float factor = QuantisingFactor(largest);
      uint8_t* column = base + static_cast<size_t>(c / 32) * 32 * Depth(k()) + c % 32 / 16 * 1024 + c % 16 * 4;
      for (int i = 0; i < k(); ++i)
        column[i / 64 * 2048 + i % 64 / 4 * 64 + i % 4] = static_cast<uint8_t>(Quantised(row[i], factor) + shift);
      scales[c] = QuantisedScale(largest);
    }
  }

  void Multiply(int block, InputRows x, int rows, float* y, ptrdiff_t y_stride) const override {
    const uint8_t* base = Base(block);
    const auto* scales = reinterpret_cast<const float*>(base + block_columns() * Depth(k()));
    product_({reinterpret_cast<const int8_t*>(base), scales, static_cast<int>(Depth(k())), block_columns() / 32},
             static_cast<const uint8_t*>(x.data), rows, y, y_stride);
  }

 private:
  uint8_t* Base(int block) const { return memory_.as<uint8_t>() + BlockBytes(k(), block_columns()) * block; }

  Int8Product product_;
  WeightMemory memory_;
};

}  // namespace

bool VnniPermitted() {
  const int best = static_cast<int>(dnnl::get_effective_cpu_isa());
  constexpr int kVnni = static_cast<int>(dnnl::cpu_isa::avx512_core_vnni);
  return (best & kVnni) == kVnni;
}

std::unique_ptr<Matrix> NewInt8Matrix(int n, int k, int block_columns, Isa isa) {
  return std::make_unique<Int8Matrix>(n, k, block_columns, isa);
}

size_t Int8MatrixBytes(int n, int k, int block_columns) {
  return static_cast<size_t>((n + block_columns - 1) / block_columns) * BlockBytes(k, block_columns) + kReadAhead;
}

}  // namespace orrery::kernels::cpu
