// SPDX-License-Identifier: Apache-2.0
#pragma once

// The tensor operations a transformer is made of, as one contract that `reference/` (plain loops) and `cpu/` implement.
//
// Every operation is batch-invariant: what it computes for a row is a function of that row's inputs alone, bit for bit,
// whatever the other rows are, however many there are, and whichever thread calls. An operation runs on the calling
// thread; callers split work into the units offered here (column blocks of a matrix, rows, key-value heads), whose
// borders depend on shapes alone.
//
// Activations are row-major in the back end's type. A row is `PaddedWidth(width)` elements apart from the next one,
// starts at a multiple of 64 bytes, and holds zeros beyond its width; a buffer has room for a multiple of kRowTile
// rows.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace orrery::kernels {

enum class Type : uint8_t { kFloat32, kBfloat16 };

// What matrices hold and multiply in: the activations' own type, or int8 with one scale for each row of weights and one
// for each row of activations. Sums of int8 products are exact, so they have the same bits on every processor.
enum class WeightType : uint8_t { kSame, kInt8 };

// What the arithmetic may use; results may differ in the last bits between two of these, and between these only.
enum class Isa : uint8_t { kReference, kAvx2, kAvx512, kAvx512Bf16, kAmx };

// The best of this processor below the cap in ONEDNN_MAX_CPU_ISA (the library's own variable governs our kernels too).
Isa HostIsa();
std::string_view Name(Isa isa);

inline constexpr int kRowTile = 16;
inline constexpr int kPageTokens = 32;  // keys and values of so many consecutive tokens lie together

constexpr int PaddedWidth(int width) { return (width + 31) / 32 * 32; }
constexpr int PaddedRows(int rows) { return (rows + kRowTile - 1) / kRowTile * kRowTile; }
constexpr size_t Size(Type type) { return type == Type::kFloat32 ? 4 : 2; }

// A row of quantised activations: the values, zeros up to a multiple of 64, and 64 bytes that begin with a
// QuantisedTail.
struct QuantisedTail {
  float scale;
  int32_t sum;  // of the row's values
};
constexpr size_t QuantisedValues(int width) { return (static_cast<size_t>(width) + 63) / 64 * 64; }
constexpr size_t QuantisedStride(int width) { return QuantisedValues(width) + 64; }

// A weight matrix W [n × k], packed block by block as whoever multiplies by it wants it.
class WeightMatrix {
 public:
  WeightMatrix(int n, int k, int block_columns, WeightType type = WeightType::kSame)
      : n_(n), k_(k), block_columns_(block_columns), type_(type) {}
  virtual ~WeightMatrix() = default;
  WeightMatrix(const WeightMatrix&) = delete;
  WeightMatrix& operator=(const WeightMatrix&) = delete;

  int n() const { return n_; }
  int k() const { return k_; }
  WeightType type() const { return type_; }
  // Output columns are computed in blocks of this many; the last one may be narrower.
  int block_columns() const { return block_columns_; }
  int blocks() const { return (n_ + block_columns_ - 1) / block_columns_; }
  int columns(int block) const { return block + 1 < blocks() ? block_columns_ : n_ - block * block_columns_; }

  // Packs rows [block·block_columns, …) of W, which lie k apart. Different blocks may be packed by different threads at
  // once.
  virtual void Pack(int block, const float* w) = 0;

 private:
  int n_, k_, block_columns_;
  WeightType type_;
};

// How bfloat16 rows lie that are arranged for many columns at once: products have the same bits, sooner.
enum class RowLayout : uint8_t {
  kPlain,   // as they are
  kTiles,   // [rows/16][padded_width/32][16][32] (TileIndex)
  kFloats,  // widened to float32
};
// With fewer rows weights are waited for, however rows lie.
inline constexpr int kArrangedRows = 48;
// Bytes from a row's place to the next one's; of tiles, a kRowTile-th of their rows' bytes.
constexpr size_t ArrangedRowBytes(RowLayout layout, int padded_width) {
  return static_cast<size_t>(padded_width) * (layout == RowLayout::kFloats ? 4 : 2);
}
// Where a value lies in tiles.
constexpr size_t TileIndex(int padded_width, int row, int column) {
  return static_cast<size_t>(row / 16) * 16 * padded_width + static_cast<size_t>(column / 32) * 512 + row % 16 * 32 +
         column % 32;
}
// Arranges rows [first, first + kRowTile); `first` is a multiple of kRowTile. x and arranged begin with row 0; arranged
// at a multiple of 64 bytes.
void ArrangeRows(RowLayout layout, const uint16_t* x, int padded_width, int first, void* arranged);

// Rows that a matrix multiplies: its plain ones, or arranged as its layout() says.
struct InputRows {
  // Plain rows are given as they are.  NOLINTNEXTLINE(google-explicit-constructor)
  InputRows(const void* data, bool arranged = false) : data(data), arranged(arranged) {}
  const void* data;
  bool arranged;
};

// One that multiplies unit by unit; products are y = x·Wᵀ with float32 accumulation.
class Matrix : public WeightMatrix {
 public:
  using WeightMatrix::WeightMatrix;

  // Packs a block from Wᵀ: its row i holds the weights of all n columns at depth i; rows lie `stride` elements of
  // `type` apart. Depths from `depth` to k are zeros.
  virtual void PackColumns(int block, const void* transposed, Type type, ptrdiff_t stride, int depth);

  // y[r][c] for the block's columns c (y points at the block's first), r < rows. y needs room for PaddedRows(rows)
  // rows, each with block_columns() columns; what lies beyond `rows` and columns(block) is scratch. Where type() is
  // kInt8, x holds rows as Backend::Quantise writes them, with room for PaddedRows(rows).
  virtual void Multiply(int block, InputRows x, int rows, float* y, ptrdiff_t y_stride) const = 0;

  // The layout that makes Multiply of many rows quicker; kPlain where none does.
  virtual RowLayout layout() const { return RowLayout::kPlain; }
};

struct AttentionShape {
  int heads = 0;  // of queries; a multiple of kv_heads
  int kv_heads = 0;
  int head_dim = 0;  // a multiple of 16
  int group() const { return heads / kv_heads; }
};

// Rows of queries, each with its own list of pages. Neighbouring rows whose lists share a page read it once together.
struct AttentionRows {
  const float* q = nullptr;  // per row heads · head_dim values, after RoPE; rows lie q_stride apart
  ptrdiff_t q_stride = 0;
  void* out = nullptr;                    // [rows][PaddedWidth(heads · head_dim)], the back end's type
  const int32_t* const* pages = nullptr;  // per row: page numbers, in the order of positions
  const int32_t* lengths = nullptr;       // per row: keys up to its own (included), at least 1
  int window = 0;                         // a row sees its last `window` keys only; 0: all
  int rows = 0;
  const uint8_t* kv = nullptr;  // page p of this layer lies at kv + p · kv_stride
  size_t kv_stride = 0;

  // The first key that a row sees.
  int FirstKey(int row) const { return window > 0 && lengths[row] > window ? lengths[row] - window : 0; }
};

enum class RopePairs : uint8_t {
  kHalves,
  kInterleaved
};  // (i, i + d/2) as in Qwen2's files; (2i, 2i + 1) as in Llama's

class Backend {
 public:
  static std::unique_ptr<Backend> Create(Isa isa, Type type, WeightType weights = WeightType::kSame);
  virtual ~Backend() = default;

  Isa isa() const { return isa_; }
  Type type() const { return type_; }
  WeightType weights() const { return weights_; }

  virtual std::unique_ptr<Matrix> NewMatrix(int n, int k) const = 0;
  virtual size_t MatrixBytes(int n, int k) const = 0;

  // One row of activations as int8: values · 127 / largest magnitude, to the nearest (even on a tie), scale =
  // largest magnitude / 127.
  virtual void Quantise(const void* x, int width, uint8_t* out) const = 0;

  // out = x / rms(x) · gain, rms over `width` with eps under the root.
  virtual void RmsNorm(const float* x, const float* gain, int width, float eps, void* out) const = 0;

  // Turns `heads` vectors of head_dim at x by the angles of one position: cosine and sine hold head_dim/2 values.
  virtual void Rope(float* x, int heads, int head_dim, RopePairs pairs, const float* cosine,
                    const float* sine) const = 0;

  // gate_up holds pairs of runs: `block` gates, then their `block` ups; out[i] = silu(gate[i]) · up[i] for count of
  // them.
  virtual void SwiGlu(const float* gate_up, int count, int block, void* out) const = 0;

  virtual void Add(float* x, const float* y, int count) const = 0;

  // Bytes of one layer's keys and values of one page.
  virtual size_t PageBytes(const AttentionShape& shape) const = 0;
  // Rounds one token's keys and values [kv_heads · head_dim] to the back end's type and puts them at `slot` of a page.
  virtual void WriteKv(const AttentionShape& shape, const float* k, const float* v, uint8_t* page, int slot) const = 0;
  // Copies the first `slots` tokens of one layer of a page; the others become zero.
  virtual void CopyKv(const AttentionShape& shape, const uint8_t* from, uint8_t* to, int slots) const = 0;
  // softmax(q·kᵀ/√d)·v of the rows [first, last) for the query heads of one key-value head, in ascending order of keys.
  virtual void Attend(const AttentionShape& shape, const AttentionRows& rows, int kv_head, int first,
                      int last) const = 0;

  // Largest of `count` logits (the lowest index on a tie) and Σ exp(logit − largest), summed in an order fixed by
  // count.
  struct Peak {
    float value;
    int32_t index;
  };
  virtual Peak Maximum(const float* logits, int count) const = 0;
  // Σ exp((logit − shift) · scale).
  virtual double SumExp(const float* logits, int count, float shift, float scale) const = 0;
  // weights[i] = exp((logit[i] − shift) · scale).
  virtual void Exp(const float* logits, int count, float shift, float scale, float* weights) const = 0;

 protected:
  Backend(Isa isa, Type type, WeightType weights) : isa_(isa), type_(type), weights_(weights) {}

 private:
  Isa isa_;
  Type type_;
  WeightType weights_;
};

}  // namespace orrery::kernels
