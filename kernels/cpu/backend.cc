// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/backend.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <vector>

#include "kernels/bfloat16.h"
#include "kernels/cpu/amx.h"
#include "kernels/cpu/int8.h"
#include "kernels/cpu/vector.h"

namespace orrery::kernels::cpu {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kReadAhead = size_t{64} << 10;  // kernels fetch beyond the end

template <class T>
constexpr Type kTypeOf = sizeof(T) == 4 ? Type::kFloat32 : Type::kBfloat16;

template <class T>
T Rounded(float value) {
  if constexpr (sizeof(T) == 4)
    return value;
  else
    return ToBfloat16(value);
}

// Wide enough to be worth a call, narrow enough to share the work of a small matrix evenly.
int BlockColumns(int n) { return n < 800 ? 32 : n < 4096 ? 64 : 128; }

size_t PanelBytes(int n, int k, size_t element) {
  const size_t block = BlockColumns(n);
  return (n + block - 1) / block * block * PaddedWidth(k) * element;
}

// Panels of sixteen columns (vector.h), for our own products without tiles.
template <class T>
class PanelMatrix : public Matrix {
 public:
  PanelMatrix(int n, int k, const VectorTable<T>& table)
      : Matrix(n, k, BlockColumns(n)),
        table_(table),
        depth_(PaddedWidth(k)),
        memory_(PanelBytes(n, k, sizeof(T)) + kReadAhead) {}

  void Pack(int block, const float* w) override {
    T* out = Block(block);
    constexpr int kPair = sizeof(T) == 4 ? 1 : 2;
    for (int c = 0; c < columns(block); ++c) {
      T* panel = out + static_cast<size_t>(c / 16) * 16 * depth_;
      for (int i = 0; i < k(); ++i) {
        panel[static_cast<size_t>(i / kPair) * 16 * kPair + c % 16 * kPair + i % kPair] =
            Rounded<T>(w[static_cast<size_t>(c) * k() + i]);
      }
    }
  }

  void PackColumns(int block, const void* transposed, Type type, ptrdiff_t stride, int depth) override {
    const ptrdiff_t left = ptrdiff_t{block} * block_columns();
    if (type == Type::kFloat32) {
      PackDeep(block, static_cast<const float*>(transposed) + left, stride, depth);
    } else {
      PackDeep(block, static_cast<const uint16_t*>(transposed) + left, stride, depth);
    }
  }

  void Multiply(int block, InputRows x, int rows, float* y, ptrdiff_t y_stride) const override {
    const int panels = block_columns() / 16;
    if (x.arranged) {
      table_.product_of_floats(Block(block), depth_, panels, static_cast<const float*>(x.data), rows, y, y_stride);
    } else {
      table_.product(Block(block), depth_, panels, static_cast<const T*>(x.data), rows, y, y_stride);
    }
  }

  RowLayout layout() const override { return sizeof(T) == 4 ? RowLayout::kPlain : RowLayout::kFloats; }

 private:
  // Depths are rows of `from`, of which those from `depth` on are zeros.
  template <class S>
  void PackDeep(int block, const S* from, ptrdiff_t stride, int depth) {
    constexpr int kPair = sizeof(T) == 4 ? 1 : 2;
    T* out = Block(block);
    for (int panel = 0; panel < columns(block); panel += 16) {
      const int width = std::min(16, columns(block) - panel);
      for (int i = 0; i < depth_; ++i) {
        T* to = out + static_cast<size_t>(panel) * depth_ + static_cast<size_t>(i / kPair) * 16 * kPair + i % kPair;
        const S* row = from + i * stride + panel;
        for (int c = 0; c < width; ++c) to[static_cast<ptrdiff_t>(c) * kPair] = i < depth ? Converted(row[c]) : T{0};
      }
    }
  }

  static T Converted(float value) { return Rounded<T>(value); }
  static T Converted(uint16_t value) {
    if constexpr (sizeof(T) == 2)
      return value;
    else
      return FromBfloat16(value);
  }

  T* Block(int block) const { return memory_.template as<T>() + static_cast<size_t>(block) * block_columns() * depth_; }

  const VectorTable<T>& table_;
  int depth_;
  WeightMemory memory_;
};

class AmxMatrix : public Matrix {
 public:
  AmxMatrix(int n, int k)
      : Matrix(n, k, BlockColumns(n)), depth_(PaddedWidth(k)), memory_(PanelBytes(n, k, 2) + kReadAhead) {}

  void Pack(int block, const float* w) override { AmxPack(w, k(), columns(block), depth_, Block(block)); }

  void PackColumns(int block, const void* transposed, Type type, ptrdiff_t stride, int depth) override {
    const ptrdiff_t left = ptrdiff_t{block} * block_columns();
    if (type == Type::kFloat32) {
      AmxPackColumns(static_cast<const float*>(transposed) + left, stride, depth, columns(block), depth_, Block(block));
    } else {
      AmxPackColumns(static_cast<const uint16_t*>(transposed) + left, stride, depth, columns(block), depth_,
                     Block(block));
    }
  }

  void Multiply(int block, InputRows x, int rows, float* y, ptrdiff_t y_stride) const override {
    AmxProduct(Block(block), depth_, block_columns() / 32, static_cast<const uint16_t*>(x.data), x.arranged, rows, y,
               y_stride);
  }

  RowLayout layout() const override { return RowLayout::kTiles; }

 private:
  uint16_t* Block(int block) const {
    return memory_.as<uint16_t>() + static_cast<size_t>(block) * block_columns() * depth_;
  }

  int depth_;
  WeightMemory memory_;
};

template <class T>
class CpuBackend : public Backend {
 public:
  CpuBackend(Isa isa, WeightType weights)
      : Backend(isa, kTypeOf<T>, weights), table_(isa >= Isa::kAvx512 ? Avx512Table<T>() : Avx2Table<T>()) {}

  std::unique_ptr<Matrix> NewMatrix(int n, int k) const override {
    if (weights() == WeightType::kInt8) return NewInt8Matrix(n, k, BlockColumns(n), isa());
    if (UsesTiles()) return std::make_unique<AmxMatrix>(n, k);
    if (UsesLibrary()) return NewDnnlMatrix(n, k, type());
    return std::make_unique<PanelMatrix<T>>(n, k, table_);
  }

  size_t MatrixBytes(int n, int k) const override {
    if (weights() == WeightType::kInt8) return Int8MatrixBytes(n, k, BlockColumns(n));
    return UsesLibrary() ? DnnlMatrixBytes(n, k, type()) : PanelBytes(n, k, sizeof(T)) + kReadAhead;
  }

  void Quantise(const void* x, int width, uint8_t* out) const override {
    table_.quantise(static_cast<const T*>(x), width, out);
  }

  void RmsNorm(const float* x, const float* gain, int width, float eps, void* out) const override {
    table_.rms_norm(x, gain, width, eps, static_cast<T*>(out));
  }

  void Rope(float* x, int heads, int head_dim, RopePairs pairs, const float* cosine, const float* sine) const override {
    const int half = head_dim / 2;
    for (int h = 0; h < heads; ++h, x += head_dim) {
      if (pairs == RopePairs::kHalves) {
        table_.rope_halves(x, x + half, half, cosine, sine);
      } else {
        table_.rope_neighbours(x, half, cosine, sine);
      }
    }
  }

  void SwiGlu(const float* gate_up, int count, int block, void* out) const override {
    table_.swiglu(gate_up, count, block, static_cast<T*>(out));
  }

  void Add(float* x, const float* y, int count) const override { table_.add(x, y, count); }

  size_t PageBytes(const AttentionShape& shape) const override {
    return 2 * static_cast<size_t>(shape.kv_heads) * shape.head_dim * kPageTokens * sizeof(T);
  }

  void WriteKv(const AttentionShape& shape, const float* k, const float* v, uint8_t* page, int slot) const override {
    if (TiledPages(shape)) return AmxWriteKv(shape, k, v, reinterpret_cast<uint16_t*>(page), slot);
    ForEachElement(shape, slot, [&](size_t key, size_t value, int element) {
      reinterpret_cast<T*>(page)[key] = Rounded<T>(k[element]);
      reinterpret_cast<T*>(page)[value] = Rounded<T>(v[element]);
    });
  }

  void CopyKv(const AttentionShape& shape, const uint8_t* from, uint8_t* to, int slots) const override {
    std::memset(to, 0, PageBytes(shape));
    for (int slot = 0; slot < slots; ++slot) {
      ForEachElement(shape, slot, [&](size_t key, size_t value, int) {
        reinterpret_cast<T*>(to)[key] = reinterpret_cast<const T*>(from)[key];
        reinterpret_cast<T*>(to)[value] = reinterpret_cast<const T*>(from)[value];
      });
    }
  }

  void Attend(const AttentionShape& shape, const AttentionRows& rows, int kv_head, int first, int last) const override {
    if (TiledPages(shape)) {
      AmxAttend(shape, rows, kv_head, first, last);
    } else {
      table_.attend(shape, rows, kv_head, first, last);
    }
  }

  Peak Maximum(const float* logits, int count) const override { return table_.maximum(logits, count); }
  double SumExp(const float* logits, int count, float shift, float scale) const override {
    return table_.sum_exp(logits, count, shift, scale);
  }
  void Exp(const float* logits, int count, float shift, float scale, float* weights) const override {
    table_.exp(logits, count, shift, scale, weights);
  }

 private:
  bool UsesTiles() const { return isa() == Isa::kAmx && type() == Type::kBfloat16; }
  bool UsesLibrary() const {
    return !UsesTiles() && isa() >= (type() == Type::kFloat32 ? Isa::kAvx512 : Isa::kAvx512Bf16);
  }
  bool TiledPages(const AttentionShape& shape) const { return UsesTiles() && AmxAttends(shape); }

  // fn(index of the key, index of the value, element of the token's keys) for all of one token.
  template <class Fn>
  void ForEachElement(const AttentionShape& shape, int slot, Fn fn) const {
    const int dim = shape.head_dim;
    const size_t head_size = static_cast<size_t>(dim) * kPageTokens, all_keys = shape.kv_heads * head_size;
    const bool tiled = TiledPages(shape);
    for (int h = 0; h < shape.kv_heads; ++h) {
      const size_t key = h * head_size + slot, value = all_keys + h * head_size + static_cast<size_t>(slot) * dim;
      for (int d = 0; d < dim; ++d) {
        if (tiled) {
          fn(AmxKeyIndex(dim, h, d, slot), all_keys + AmxValueIndex(dim, h, d, slot), h * dim + d);
        } else {
          fn(key + static_cast<size_t>(d) * kPageTokens, value + d, h * dim + d);
        }
      }
    }
  }

  const VectorTable<T>& table_;
};

}  // namespace

WeightMemory::WeightMemory(size_t bytes) : bytes_((bytes + kHugePage - 1) / kHugePage * kHugePage) {
  data_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data_ == MAP_FAILED) throw std::bad_alloc();
  madvise(data_, bytes_, MADV_HUGEPAGE);
}

WeightMemory::~WeightMemory() { munmap(data_, bytes_); }

std::unique_ptr<Backend> NewBackend(Isa isa, Type type, WeightType weights) {
  if (type == Type::kFloat32) return std::make_unique<CpuBackend<float>>(isa, weights);
  return std::make_unique<CpuBackend<uint16_t>>(isa, weights);
}

}  // namespace orrery::kernels::cpu
