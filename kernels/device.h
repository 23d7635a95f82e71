// SPDX-License-Identifier: Apache-2.0
#pragma once

// The operations of a transformer's forward pass on whole batches, over memory that a device owns: model/ is written
// against this, so that one text serves the processor (NewHostDevice) and kernels/cuda.
//
// Every operation is batch-invariant, as in kernels.h: what it computes for a row is a function of that row alone.
// Operations run in the order of their calls; those that hand values to the host return when the values are there.
// One thread calls a device; Matrix::Pack of different blocks may run on several.
//
// Rows of activations lie PaddedWidth(width) elements apart and hold zeros beyond their width; the residual x is
// float32 and lies `width` apart. Buffers of activations have room for a multiple of row_tile() rows.
//
// An error (no memory, a fault of the device) stays in status(); from then on operations do nothing.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"
#include "kernels/kernels.h"

namespace orrery::kernels {

class ThreadPool;

// Elements of one type in a device's memory, zeros at first; freed with the object, which the device must outlive.
class Buffer {
 public:
  Buffer(Type type, size_t count, void* data) : type_(type), count_(count), data_(data) {}
  virtual ~Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  Type type() const { return type_; }
  size_t count() const { return count_; }
  size_t bytes() const { return count_ * Size(type_); }
  void* data() const { return data_; }  // an address that the device follows, and the host only on NewHostDevice

 private:
  Type type_;
  size_t count_;
  void* data_;
};

// The rows of a batch: at which place of its sequence each one stands, and its sequence's page numbers up to that
// place. Neighbouring rows whose lists share a page read it once together.
struct Batch {
  std::span<const int32_t> positions;
  std::span<const int32_t* const> pages;
};

// One layer's part of the pages: page p's lies `offset + p · page_stride` bytes from the buffer's begin.
struct KvLayer {
  Buffer* pages = nullptr;
  size_t offset = 0;
  size_t page_stride = 0;
};

// Cosine and sine of every position: [positions][head_dim / 2], float32.
struct RopeTable {
  const Buffer* cosine = nullptr;
  const Buffer* sine = nullptr;
  RopePairs pairs = RopePairs::kHalves;
};

// A table whose rows are looked up by number.
class RowTable {
 public:
  virtual ~RowTable() = default;
};

// Writes the row's values. It must stay callable as long as the table that was made of it.
using RowSource = std::function<void(int64_t row, float* out)>;

class Device {
 public:
  static constexpr int kSumBlock = 1024;  // logits summed together

  virtual ~Device() = default;

  Type type() const { return type_; }  // of activations, weights, keys and values
  virtual std::string Name() const = 0;
  virtual Status status() const = 0;
  // Buffers of activations have room for a multiple of this many rows.
  virtual int row_tile() const = 0;

  virtual std::unique_ptr<Buffer> NewBuffer(Type type, size_t count) = 0;
  // Offsets and lengths in bytes.
  virtual void Upload(const void* from, size_t bytes, Buffer& to, size_t offset) = 0;
  virtual void Download(const Buffer& from, size_t offset, size_t bytes, void* to) = 0;
  virtual void Copy(const Buffer& from, size_t from_offset, Buffer& to, size_t to_offset, size_t bytes) = 0;
  // The first `count` values of a float32 buffer where the host can read them, until the device's next call.
  virtual const float* HostView(const Buffer& buffer, size_t count) = 0;

  // A matrix to be packed; it works on this device only.
  virtual std::unique_ptr<WeightMatrix> NewMatrix(int n, int k) = 0;
  virtual size_t MatrixBytes(int n, int k) const = 0;
  virtual std::unique_ptr<RowTable> NewRowTable(int64_t rows, int width, RowSource source) = 0;

  // The rows that RotateAndStore and Attend are about from now on; copied.
  virtual void SetBatch(const Batch& batch) = 0;

  // x[r] = table[numbers[r]]
  virtual void Embed(const RowTable& table, std::span<const int32_t> numbers, int width, Buffer& x) = 0;

  // out[r] = norm of x[r], or of x[which[r]] where `which` is given; see Backend::RmsNorm.
  virtual void RmsNorm(const Buffer& x, const Buffer& gain, int width, float eps, int rows, const int32_t* which,
                       Buffer& out) = 0;

  // y = input·Wᵀ. A row of y takes OutputStride(matrix) floats, of which matrix.n() count.
  virtual void Product(const WeightMatrix& matrix, const Buffer& input, int rows, Buffer& y) = 0;
  // x += input·Wᵀ, rows of x lie matrix.n() apart.
  virtual void AddProduct(const WeightMatrix& matrix, const Buffer& input, int rows, Buffer& x) = 0;
  // out = silu(gate)·up, where input·Wᵀ gives runs of `run` gates and their ups in turn.
  virtual void SwiGluProduct(const WeightMatrix& matrix, const Buffer& input, int rows, int run, Buffer& out) = 0;

  // To each row of qkv (queries, keys, values of one token; OutputStride apart): adds the bias if there is one, turns
  // queries and keys by the row's position, and stores keys and values in its page.
  virtual void RotateAndStore(const AttentionShape& shape, const Buffer* bias, const RopeTable& rope, Buffer& qkv,
                              ptrdiff_t stride, const KvLayer& kv) = 0;
  // out[r] = softmax(q·kᵀ/√d)·v over the keys at positions up to the row's own: the last `window` of them, or all (0).
  virtual void Attend(const AttentionShape& shape, int window, const Buffer& qkv, ptrdiff_t stride, const KvLayer& kv,
                      Buffer& out) = 0;

  // Bytes of one layer's keys and values of one page.
  virtual size_t PageBytes(const AttentionShape& shape) const = 0;
  // `layers` layers of a page lie PageBytes apart from `page · page_stride` on.
  virtual void ClearPage(Buffer& pages, size_t page_stride, int32_t page) = 0;
  // Copies the first `slots` tokens of all layers; the others become zero.
  virtual void CopyPage(const AttentionShape& shape, int layers, Buffer& pages, size_t page_stride, int32_t from,
                        int32_t to, int slots) = 0;

  // Largest of the first `count` logits of each row (the lowest index on a tie); rows lie `stride` apart.
  virtual void Maximum(const Buffer& logits, ptrdiff_t stride, int rows, int count, Backend::Peak* peaks) = 0;
  // sums[r][b] = Σ exp((logit − shifts[r]) · scales[r]) of a row's b-th kSumBlock logits; [rows][SumBlocks(count)].
  virtual void SumExp(const Buffer& logits, ptrdiff_t stride, int rows, int count, const float* shifts,
                      const float* scales, double* sums) = 0;
  static int SumBlocks(int count) { return (count + kSumBlock - 1) / kSumBlock; }

  int PaddedRows(int rows) const { return (rows + row_tile() - 1) / row_tile() * row_tile(); }
  static int OutputStride(const WeightMatrix& matrix) { return matrix.blocks() * matrix.block_columns(); }

 protected:
  explicit Device(Type type) : type_(type) {}

 private:
  Type type_;
};

// The processor: a Backend's units of work, spread over the pool's threads. Both must outlive the device.
std::unique_ptr<Device> NewHostDevice(const Backend& backend, ThreadPool& pool);

}  // namespace orrery::kernels
