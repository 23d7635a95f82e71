// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "kernels/device.h"
#include "kernels/thread_pool.h"

namespace orrery::kernels {
namespace {

constexpr int kAttentionRows = 32;  // rows of a unit of attention, at most
constexpr int kFewestRows = 8;      // with fewer, pages that rows share would be read too often
constexpr size_t kHugePage = size_t{2} << 20;

// Zeroed memory that costs nothing until it is touched. What is large begins at a huge page's border: rows far apart
// then share a page.
class HostBuffer : public Buffer {
 public:
  static std::unique_ptr<HostBuffer> Make(Type type, size_t count) {
    const size_t bytes = count * Size(type);
    const bool huge = bytes >= kHugePage / 2;
    const size_t mapped_bytes = huge ? (bytes + kHugePage) / kHugePage * kHugePage + kHugePage : bytes + 64;
    void* mapped =
        mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    auto* data = static_cast<uint8_t*>(mapped);
    if (huge) {
      madvise(mapped, mapped_bytes, MADV_HUGEPAGE);
      data = reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(mapped) + kHugePage - 1) / kHugePage * kHugePage);
    }
    return std::unique_ptr<HostBuffer>(new HostBuffer(type, count, data, mapped, mapped_bytes));
  }
  ~HostBuffer() override { munmap(mapped_, mapped_bytes_); }

 private:
  HostBuffer(Type type, size_t count, void* data, void* mapped, size_t mapped_bytes)
      : Buffer(type, count, data), mapped_(mapped), mapped_bytes_(mapped_bytes) {}

  void* mapped_;
  size_t mapped_bytes_;
};

// Rows are made when they are asked for: the source usually is a file in memory.
struct LazyTable : RowTable {
  explicit LazyTable(RowSource s) : source(std::move(s)) {}
  RowSource source;
};

float* Floats(const Buffer& buffer) { return static_cast<float*>(buffer.data()); }
uint8_t* Bytes(const Buffer& buffer) { return static_cast<uint8_t*>(buffer.data()); }
const Matrix& Packed(const WeightMatrix& matrix) { return static_cast<const Matrix&>(matrix); }

class HostDevice : public Device {
 public:
  HostDevice(const Backend& backend, ThreadPool& pool) : Device(backend.type()), backend_(backend), pool_(pool) {}

  std::string Name() const override { return std::string(kernels::Name(backend_.isa())); }
  Status status() const override { return absl::OkStatus(); }
  int row_tile() const override { return kRowTile; }

  std::unique_ptr<Buffer> NewBuffer(Type type, size_t count) override { return HostBuffer::Make(type, count); }
  void Upload(const void* from, size_t bytes, Buffer& to, size_t offset) override {
    std::memcpy(Bytes(to) + offset, from, bytes);
  }
  void Download(const Buffer& from, size_t offset, size_t bytes, void* to) override {
    std::memcpy(to, Bytes(from) + offset, bytes);
  }
  void Copy(const Buffer& from, size_t from_offset, Buffer& to, size_t to_offset, size_t bytes) override {
    std::memmove(Bytes(to) + to_offset, Bytes(from) + from_offset, bytes);
  }
  const float* HostView(const Buffer& buffer, size_t) override { return Floats(buffer); }

  std::unique_ptr<WeightMatrix> NewMatrix(int n, int k) override { return backend_.NewMatrix(n, k); }
  size_t MatrixBytes(int n, int k) const override { return backend_.MatrixBytes(n, k); }
  std::unique_ptr<RowTable> NewRowTable(int64_t, int, RowSource source) override {
    return std::make_unique<LazyTable>(std::move(source));
  }

  void SetBatch(const Batch& batch) override {
    positions_.assign(batch.positions.begin(), batch.positions.end());
    pages_.assign(batch.pages.begin(), batch.pages.end());
    lengths_.resize(positions_.size());
    for (size_t r = 0; r < positions_.size(); ++r) lengths_[r] = positions_[r] + 1;
  }

  void Embed(const RowTable& table, std::span<const int32_t> numbers, int width, Buffer& x) override {
    pool_.ParallelFor(static_cast<int>(numbers.size()), [&](int r, int) {
      static_cast<const LazyTable&>(table).source(numbers[r], Floats(x) + size_t(r) * width);
    });
  }

  void RmsNorm(const Buffer& x, const Buffer& gain, int width, float eps, int rows, const int32_t* which,
               Buffer& out) override {
    const size_t row_bytes = RowBytes(width);
    pool_.ParallelFor((rows + 7) / 8, [&](int unit, int) {
      for (int r = unit * 8; r < std::min(rows, unit * 8 + 8); ++r) {
        const size_t from = which != nullptr ? which[r] : r;
        backend_.RmsNorm(Floats(x) + from * width, Floats(gain), width, eps, Bytes(out) + r * row_bytes);
      }
    });
  }

  void Product(const WeightMatrix& matrix, const Buffer& input, int rows, Buffer& y) override {
    const ptrdiff_t stride = OutputStride(matrix);
    const InputRows x_rows = InputOf(matrix, input, rows);
    pool_.ParallelFor(matrix.blocks(), [&](int block, int) {
      Packed(matrix).Multiply(block, x_rows, rows, Floats(y) + ptrdiff_t{block} * matrix.block_columns(), stride);
    });
  }

  void AddProduct(const WeightMatrix& matrix, const Buffer& input, int rows, Buffer& x) override {
    const int stride = matrix.block_columns();
    const InputRows x_rows = InputOf(matrix, input, rows);
    Reserve(rows, stride);
    pool_.ParallelFor(matrix.blocks(), [&](int block, int thread) {
      float* product = Scratch(thread);
      Packed(matrix).Multiply(block, x_rows, rows, product, stride);
      float* to = Floats(x) + ptrdiff_t{block} * stride;
      for (int r = 0; r < rows; ++r)
        backend_.Add(to + ptrdiff_t{r} * matrix.n(), product + ptrdiff_t{r} * stride, matrix.columns(block));
    });
  }

  void SwiGluProduct(const WeightMatrix& matrix, const Buffer& input, int rows, int run, Buffer& out) override {
    const int stride = matrix.block_columns();
    const size_t row_bytes = RowBytes(matrix.n() / 2);
    const InputRows x_rows = InputOf(matrix, input, rows);
    Reserve(rows, stride);
    pool_.ParallelFor(matrix.blocks(), [&](int block, int thread) {
      float* product = Scratch(thread);
      Packed(matrix).Multiply(block, x_rows, rows, product, stride);
      uint8_t* to = Bytes(out) + size_t(block) * (stride / 2) * Size(type());
      for (int r = 0; r < rows; ++r)
        backend_.SwiGlu(product + ptrdiff_t{r} * stride, matrix.columns(block) / 2, run, to + r * row_bytes);
    });
  }

  void RotateAndStore(const AttentionShape& shape, const Buffer* bias, const RopeTable& rope, Buffer& qkv,
                      ptrdiff_t stride, const KvLayer& kv) override {
    const int rows = static_cast<int>(positions_.size());
    pool_.ParallelFor((rows + 3) / 4, [&](int unit, int) {
      for (int r = unit * 4; r < std::min(rows, unit * 4 + 4); ++r)
        RotateAndStoreRow(shape, bias, rope, Floats(qkv) + r * stride, r, kv);
    });
  }

  void Attend(const AttentionShape& shape, int window, const Buffer& qkv, ptrdiff_t stride, const KvLayer& kv,
              Buffer& out) override {
    AttentionRows rows;
    rows.q = Floats(qkv);
    rows.q_stride = stride;
    rows.out = out.data();
    rows.pages = pages_.data();
    rows.lengths = lengths_.data();
    rows.window = window;
    rows.rows = static_cast<int>(lengths_.size());
    rows.kv = Bytes(*kv.pages) + kv.offset;
    rows.kv_stride = kv.page_stride;
    const int each = RowsOfUnit(rows.rows, shape.kv_heads), units = (rows.rows + each - 1) / each;
    pool_.ParallelFor(units * shape.kv_heads, [&](int unit, int) {
      const int first = unit / shape.kv_heads * each;
      backend_.Attend(shape, rows, unit % shape.kv_heads, first, std::min(rows.rows, first + each));
    });
  }

  size_t PageBytes(const AttentionShape& shape) const override { return backend_.PageBytes(shape); }
  void ClearPage(Buffer& pages, size_t page_stride, int32_t page) override {
    std::memset(Bytes(pages) + size_t(page) * page_stride, 0, page_stride);
  }
  void CopyPage(const AttentionShape& shape, int layers, Buffer& pages, size_t page_stride, int32_t from, int32_t to,
                int slots) override {
    for (int i = 0; i < layers; ++i) {
      uint8_t* layer = Bytes(pages) + PageBytes(shape) * i;
      backend_.CopyKv(shape, layer + size_t(from) * page_stride, layer + size_t(to) * page_stride, slots);
    }
  }

  void Maximum(const Buffer& logits, ptrdiff_t stride, int rows, int count, Backend::Peak* peaks) override {
    pool_.ParallelFor(rows, [&](int r, int) { peaks[r] = backend_.Maximum(Floats(logits) + r * stride, count); });
  }
  void SumExp(const Buffer& logits, ptrdiff_t stride, int rows, int count, const float* shifts, const float* scales,
              double* sums) override {
    const int blocks = SumBlocks(count);
    pool_.ParallelFor(rows * blocks, [&](int unit, int) {
      const int r = unit / blocks, begin = unit % blocks * kSumBlock;
      sums[unit] = backend_.SumExp(Floats(logits) + r * stride + begin, std::min(kSumBlock, count - begin), shifts[r],
                                   scales[r]);
    });
  }

 private:
  size_t RowBytes(int width) const { return PaddedWidth(width) * Size(type()); }

  // Rows of a unit of attention, so that every thread has as many units as the others.
  int RowsOfUnit(int rows, int kv_heads) const {
    int units = (rows + kAttentionRows - 1) / kAttentionRows;
    while (units * kv_heads % pool_.threads() != 0 && units * kFewestRows < rows) ++units;
    return (rows + units - 1) / units;
  }

  // What the matrix multiplies by: the rows as they are, quantised, or arranged.
  InputRows InputOf(const WeightMatrix& matrix, const Buffer& input, int rows) {
    const bool quantised = matrix.type() == WeightType::kInt8;
    const RowLayout layout = quantised || rows < kArrangedRows ? RowLayout::kPlain : Packed(matrix).layout();
    const bool arranged = layout != RowLayout::kPlain;
    if (!quantised && !arranged) return input.data();
    const int width = PaddedWidth(matrix.k());
    const size_t from = RowBytes(matrix.k()),
                 to = quantised ? QuantisedStride(matrix.k()) : ArrangedRowBytes(layout, width);
    const size_t needed = kernels::PaddedRows(rows) * to;
    if (arranged_ == nullptr || arranged_->bytes() < needed)
      arranged_ = HostBuffer::Make(Type::kFloat32, (needed + 3) / 4);
    pool_.ParallelFor((rows + kRowTile - 1) / kRowTile, [&](int unit, int) {
      const int first = unit * kRowTile;
      if (arranged) {
        ArrangeRows(layout, reinterpret_cast<const uint16_t*>(Bytes(input)), width, first, Bytes(*arranged_));
        return;
      }
      for (int r = first; r < std::min(rows, first + kRowTile); ++r)
        backend_.Quantise(Bytes(input) + r * from, matrix.k(), Bytes(*arranged_) + r * to);
    });
    return {arranged_->data(), arranged};
  }

  // Room for one product of `columns` columns a thread.
  void Reserve(int rows, int columns) {
    const size_t each = size_t(kernels::PaddedRows(rows)) * columns;
    if (each <= scratch_each_) return;
    scratch_ = HostBuffer::Make(Type::kFloat32, each * pool_.threads());
    scratch_each_ = each;
  }
  float* Scratch(int thread) const { return Floats(*scratch_) + thread * scratch_each_; }

  void RotateAndStoreRow(const AttentionShape& shape, const Buffer* bias, const RopeTable& rope, float* qkv, int row,
                         const KvLayer& kv) const {
    if (bias != nullptr) backend_.Add(qkv, Floats(*bias), static_cast<int>(bias->count()));
    const size_t angle = static_cast<size_t>(positions_[row]) * (shape.head_dim / 2);
    backend_.Rope(qkv, shape.heads + shape.kv_heads, shape.head_dim, rope.pairs, Floats(*rope.cosine) + angle,
                  Floats(*rope.sine) + angle);
    const float* keys = qkv + shape.heads * shape.head_dim;
    const int32_t page = pages_[row][positions_[row] / kPageTokens];
    backend_.WriteKv(shape, keys, keys + shape.kv_heads * shape.head_dim,
                     Bytes(*kv.pages) + kv.offset + size_t(page) * kv.page_stride, positions_[row] % kPageTokens);
  }

  const Backend& backend_;
  ThreadPool& pool_;
  std::vector<int32_t> positions_, lengths_;
  std::vector<const int32_t*> pages_;
  std::unique_ptr<Buffer> scratch_, arranged_;
  size_t scratch_each_ = 0;
};

}  // namespace

std::unique_ptr<Device> NewHostDevice(const Backend& backend, ThreadPool& pool) {
  return std::make_unique<HostDevice>(backend, pool);
}

}  // namespace orrery::kernels
