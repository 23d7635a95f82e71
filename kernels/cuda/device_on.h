// SPDX-License-Identifier: Apache-2.0
#pragma once

// The CUDA device of kernels/device.h, once for a real device and once for the emulator: which kernel an operation is,
// with which grid and which views. The runtime below it owns memory and runs kernels:
//
//   void* Allocate(size_t bytes)      zeroed; null if there is no room, and then status() says so
//   void Free(void*)
//   void Upload(const void* host, void* device, size_t bytes), Download(const void* device, void* host, size_t bytes)
//   void Copy(const void* from, void* to, size_t bytes), Clear(void* device, size_t bytes)
//   void Launch(const Kernel& kernel, Dim blocks)
//   Status status() const             the first error, which stays
//   std::string Name() const

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/logits.h"
#include "kernels/cuda/pages.h"
#include "kernels/cuda/products.h"
#include "kernels/cuda/rows.h"
#include "kernels/device.h"

namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE {

template <class Runtime>
class DeviceOn : public Device {
 public:
  DeviceOn(Type type, std::unique_ptr<Runtime> runtime, std::unique_ptr<Products> products)
      : Device(type), runtime_(std::move(runtime)), products_(std::move(products)) {}

  std::string Name() const override { return runtime_->Name(); }
  Status status() const override {
    ORRERY_RETURN_IF_ERROR(status_);
    ORRERY_RETURN_IF_ERROR(runtime_->status());
    return products_->status();
  }
  int row_tile() const override { return products_->row_tile(); }

  std::unique_ptr<Buffer> NewBuffer(Type type, size_t count) override {
    return std::make_unique<Owned>(*runtime_, type, count);
  }
  void Upload(const void* from, size_t bytes, Buffer& to, size_t offset) override {
    if (Ready()) runtime_->Upload(from, Address(to, offset), bytes);
  }
  void Download(const Buffer& from, size_t offset, size_t bytes, void* to) override {
    if (Ready()) runtime_->Download(Address(from, offset), to, bytes);
  }
  void Copy(const Buffer& from, size_t from_offset, Buffer& to, size_t to_offset, size_t bytes) override {
    if (Ready()) runtime_->Copy(Address(from, from_offset), Address(to, to_offset), bytes);
  }
  const float* HostView(const Buffer& buffer, size_t count) override {
    host_.resize(count);
    Download(buffer, 0, count * sizeof(float), host_.data());
    return host_.data();
  }

  std::unique_ptr<WeightMatrix> NewMatrix(int n, int k) override { return products_->NewMatrix(n, k); }
  size_t MatrixBytes(int n, int k) const override { return products_->MatrixBytes(n, k); }

  // The whole table, in float32: rows have the bits that the source gives them.
  std::unique_ptr<RowTable> NewRowTable(int64_t rows, int width, RowSource source) override {
    auto table = std::make_unique<Table>(NewBuffer(Type::kFloat32, static_cast<size_t>(rows) * width));
    std::vector<float> values(static_cast<size_t>(kTableRows) * width);
    for (int64_t first = 0; first < rows && status().ok(); first += kTableRows) {
      const int64_t count = std::min<int64_t>(kTableRows, rows - first);
      for (int64_t r = 0; r < count; ++r) source(first + r, &values[static_cast<size_t>(r) * width]);
      Upload(values.data(), static_cast<size_t>(count) * width * sizeof(float), *table->values,
             static_cast<size_t>(first) * width * sizeof(float));
    }
    return table;
  }

  void SetBatch(const Batch& batch) override {
    rows_ = static_cast<int>(batch.positions.size());
    table_width_ = 0;
    for (const int32_t position : batch.positions) table_width_ = std::max(table_width_, position / kPageTokens + 1);
    std::vector<int32_t> pages(static_cast<size_t>(rows_) * table_width_, -1);
    for (int r = 0; r < rows_; ++r)
      std::copy_n(batch.pages[r], batch.positions[r] / kPageTokens + 1, &pages[static_cast<size_t>(r) * table_width_]);
    positions_ = Sent(kPositions, batch.positions.data(), batch.positions.size());
    pages_ = Sent(kPages, pages.data(), pages.size());
  }

  void Embed(const RowTable& table, std::span<const int32_t> numbers, int width, Buffer& x) override {
    EmbedKernel kernel;
    kernel.table = Viewed<const float>(*static_cast<const Table&>(table).values);
    kernel.numbers = Sent(kNumbers, numbers.data(), numbers.size());
    kernel.x = Viewed<float>(x);
    kernel.width = width;
    Launch(kernel, {static_cast<int>(numbers.size()), 1});
  }

  void RmsNorm(const Buffer& x, const Buffer& gain, int width, float eps, int rows, const int32_t* which,
               Buffer& out) override {
    Typed([&](auto element) {
      RmsNormKernel<decltype(element)> kernel;
      kernel.x = Viewed<const float>(x);
      kernel.gain = Viewed<const float>(gain);
      if (which != nullptr) kernel.which = Sent(kNumbers, which, static_cast<size_t>(rows));
      kernel.out = Viewed<decltype(element)>(out);
      kernel.width = width;
      kernel.padded_width = PaddedWidth(width);
      kernel.eps = eps;
      Launch(kernel, {rows, 1});
    });
  }

  void Product(const WeightMatrix& matrix, const Buffer& input, int rows, Buffer& y) override {
    if (rows > 0 && Ready()) products_->Multiply(matrix, input.data(), rows, static_cast<float*>(y.data()));
  }

  void AddProduct(const WeightMatrix& matrix, const Buffer& input, int rows, Buffer& x) override {
    const Buffer& product = ScratchProduct(matrix, input, rows);
    AddKernel kernel;
    kernel.x = Viewed<float>(x);
    kernel.y = Viewed<const float>(product);
    kernel.rows = rows;
    kernel.width = matrix.n();
    kernel.stride = OutputStride(matrix);
    Launch(kernel, Elementwise(static_cast<size_t>(rows) * kernel.width));
  }

  void SwiGluProduct(const WeightMatrix& matrix, const Buffer& input, int rows, int run, Buffer& out) override {
    const Buffer& product = ScratchProduct(matrix, input, rows);
    Typed([&](auto element) {
      SwiGluKernel<decltype(element)> kernel;
      kernel.gate_up = Viewed<const float>(product);
      kernel.out = Viewed<decltype(element)>(out);
      kernel.rows = rows;
      kernel.width = matrix.n() / 2;
      kernel.stride = OutputStride(matrix);
      kernel.padded_width = PaddedWidth(kernel.width);
      kernel.run = run;
      Launch(kernel, Elementwise(static_cast<size_t>(rows) * kernel.width));
    });
  }

  void RotateAndStore(const AttentionShape& shape, const Buffer* bias, const RopeTable& rope, Buffer& qkv,
                      ptrdiff_t stride, const KvLayer& kv) override {
    Typed([&](auto element) {
      RotateAndStoreKernel<decltype(element)> kernel;
      kernel.qkv = Viewed<float>(qkv);
      if (bias != nullptr) kernel.bias = Viewed<const float>(*bias);
      kernel.cosine = Viewed<const float>(*rope.cosine);
      kernel.sine = Viewed<const float>(*rope.sine);
      kernel.table = TableOf<decltype(element)>(kv);
      kernel.shape = shape;
      kernel.pairs = rope.pairs;
      kernel.stride = static_cast<size_t>(stride);
      Launch(kernel, {rows_, 1});
    });
  }

  void Attend(const AttentionShape& shape, int window, const Buffer& qkv, ptrdiff_t stride, const KvLayer& kv,
              Buffer& out) override {
    Typed([&](auto element) {
      using Kernel = AttendKernel<decltype(element)>;
      if (!Kernel::Serves(shape)) {
        status_ =
            InvalidInput("attention with heads of width {} and {} queries a key: a CUDA device serves up to {} and {}",
                         shape.head_dim, shape.group(), Kernel::kMostDim, Kernel::kQueries);
        return;
      }
      Kernel kernel;
      kernel.qkv = Viewed<const float>(qkv);
      kernel.table = TableOf<decltype(element)>(kv);
      kernel.out = Viewed<decltype(element)>(out);
      kernel.shape = shape;
      kernel.window = window;
      kernel.stride = static_cast<size_t>(stride);
      kernel.out_stride = static_cast<size_t>(PaddedWidth(shape.heads * shape.head_dim));
      kernel.rows = rows_;
      kernel.rows_per_block = Kernel::RowsPerBlock(shape);
      kernel.scale = 1 / std::sqrt(static_cast<float>(shape.head_dim));
      Launch(kernel, {shape.kv_heads, (rows_ + kernel.rows_per_block - 1) / kernel.rows_per_block});
    });
  }

  size_t PageBytes(const AttentionShape& shape) const override {
    return 2 * static_cast<size_t>(shape.kv_heads) * shape.head_dim * kPageTokens * Size(type());
  }
  void ClearPage(Buffer& pages, size_t page_stride, int32_t page) override {
    if (Ready()) runtime_->Clear(Address(pages, static_cast<size_t>(page) * page_stride), page_stride);
  }
  void CopyPage(const AttentionShape& shape, int layers, Buffer& pages, size_t page_stride, int32_t from, int32_t to,
                int slots) override {
    Typed([&](auto element) {
      CopyPageKernel<decltype(element)> kernel;
      kernel.kv = Viewed<decltype(element)>(pages);
      kernel.from = static_cast<size_t>(from) * page_stride / sizeof element;
      kernel.to = static_cast<size_t>(to) * page_stride / sizeof element;
      kernel.count = PageBytes(shape) * layers / sizeof element;
      kernel.head_dim = shape.head_dim;
      kernel.slots = slots;
      Launch(kernel, Elementwise(kernel.count));
    });
  }

  void Maximum(const Buffer& logits, ptrdiff_t stride, int rows, int count, Backend::Peak* peaks) override {
    MaximumKernel kernel;
    kernel.logits = Viewed<const float>(logits);
    kernel.values = Scratch<float>(kShifts, rows);
    kernel.indices = Scratch<int32_t>(kNumbers, rows);
    kernel.count = count;
    kernel.stride = static_cast<size_t>(stride);
    Launch(kernel, {rows, 1});
    std::vector<float> values(rows);
    std::vector<int32_t> indices(rows);
    Fetch(kernel.values, values);
    Fetch(kernel.indices, indices);
    for (int r = 0; r < rows; ++r) peaks[r] = {values[r], indices[r]};
  }

  void SumExp(const Buffer& logits, ptrdiff_t stride, int rows, int count, const float* shifts, const float* scales,
              double* sums) override {
    SumExpKernel kernel;
    kernel.logits = Viewed<const float>(logits);
    kernel.shifts = Sent(kShifts, shifts, static_cast<size_t>(rows));
    kernel.scales = Sent(kScales, scales, static_cast<size_t>(rows));
    kernel.blocks = SumBlocks(count);
    kernel.sums = Scratch<double>(kSums, static_cast<size_t>(rows) * kernel.blocks);
    kernel.count = count;
    kernel.stride = static_cast<size_t>(stride);
    Launch(kernel, {kernel.blocks, rows});
    std::vector<double> values(kernel.sums.size());
    Fetch(kernel.sums, values);
    std::copy(values.begin(), values.end(), sums);
  }

 private:
  static constexpr int kTableRows = 256;  // of an embedding, uploaded together

  struct Owned : Buffer {
    Owned(Runtime& r, Type type, size_t count)
        : Buffer(type, count, r.Allocate(count * kernels::Size(type))), runtime(r) {}
    ~Owned() override { runtime.Free(data()); }
    Runtime& runtime;
  };
  struct Table : RowTable {
    explicit Table(std::unique_ptr<Buffer> v) : values(std::move(v)) {}
    std::unique_ptr<Buffer> values;
  };
  // Small arrays of the device that grow as they are needed.
  enum Slot : uint8_t { kPositions, kPages, kNumbers, kShifts, kScales, kSums, kProduct, kSlots };

  bool Ready() const { return status().ok(); }

  template <class Kernel>
  void Launch(const Kernel& kernel, Dim blocks) {
    if (blocks.x > 0 && blocks.y > 0 && Ready()) runtime_->Launch(kernel, blocks);
  }
  static Dim Elementwise(size_t count) { return {static_cast<int>((count + kThreads - 1) / kThreads), 1}; }

  template <class Fn>
  void Typed(Fn fn) {
    if (type() == Type::kFloat32) {
      fn(float{});
    } else {
      fn(uint16_t{});
    }
  }

  static void* Address(const Buffer& buffer, size_t offset) { return static_cast<uint8_t*>(buffer.data()) + offset; }
  template <class T>
  static View<T> Viewed(const Buffer& buffer) {
    return {static_cast<T*>(buffer.data()), buffer.bytes() / sizeof(T)};
  }
  template <class T>
  View<T> Scratch(Slot slot, size_t count) {
    const size_t floats = (count * sizeof(T) + sizeof(float) - 1) / sizeof(float);
    if (scratch_[slot] == nullptr || scratch_[slot]->count() < floats)
      scratch_[slot] = NewBuffer(Type::kFloat32, floats);
    return {static_cast<T*>(scratch_[slot]->data()), count};
  }
  template <class T>
  View<const T> Sent(Slot slot, const T* values, size_t count) {
    const View<T> view = Scratch<T>(slot, count);
    if (count > 0 && Ready()) runtime_->Upload(values, scratch_[slot]->data(), count * sizeof(T));
    return {static_cast<const T*>(scratch_[slot]->data()), view.size()};
  }
  template <class T>
  void Fetch(const View<T>& from, std::vector<T>& to) {
    if (!to.empty() && Ready()) runtime_->Download(&from[0], to.data(), to.size() * sizeof(T));
  }

  const Buffer& ScratchProduct(const WeightMatrix& matrix, const Buffer& input, int rows) {
    Scratch<float>(kProduct, static_cast<size_t>(PaddedRows(rows)) * OutputStride(matrix));
    Product(matrix, input, rows, *scratch_[kProduct]);
    return *scratch_[kProduct];
  }

  template <class T>
  PageTable<T> TableOf(const KvLayer& kv) const {
    return {Viewed<T>(*kv.pages), kv.offset / sizeof(T), kv.page_stride / sizeof(T), positions_, pages_, table_width_};
  }

  Status status_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<Products> products_;
  std::unique_ptr<Buffer> scratch_[kSlots];
  View<const int32_t> positions_, pages_;
  int rows_ = 0, table_width_ = 0;
  std::vector<float> host_;
};

}  // namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE
