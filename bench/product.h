// SPDX-License-Identifier: Apache-2.0
#pragma once

// Copies of one matrix as our engine holds them, multiplied as it does: block by block over the threads.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/thread_pool.h"

namespace orrery::bench {

class Products {
 public:
  Products(const kernels::Backend& backend, kernels::ThreadPool& pool, int n, int k, int copies)
      : backend_(backend), pool_(pool) {
    for (int i = 0; i < copies; ++i) {
      auto& matrix = matrices_.emplace_back(backend.NewMatrix(n, k));
      pool.ParallelFor(matrix->blocks(), [&](int block, int) {
        const std::vector<float> w(static_cast<size_t>(matrix->block_columns()) * k, 0.01f);
        matrix->Pack(block, w.data());
      });
    }
  }

  int copies() const { return static_cast<int>(matrices_.size()); }

  // One product of a copy with `rows` rows of inputs.
  void Run(int copy, int rows) {
    kernels::Matrix& matrix = *matrices_[static_cast<size_t>(copy)];
    const size_t padded = kernels::PaddedRows(rows), columns = matrix.block_columns();
    Grow(padded, columns, matrix.k());
    const kernels::InputRows input = Arranged(matrix, rows);
    pool_.ParallelFor(matrix.blocks(), [&](int block, int thread) {
      matrix.Multiply(block, input, rows, &y_[static_cast<size_t>(thread) * padded * columns],
                      static_cast<ptrdiff_t>(columns));
    });
  }

 private:
  // Room for inputs of the type, quantised where the weights are; their bytes make ordinary numbers of any type.
  void Grow(size_t rows, size_t columns, int k) {
    const size_t row = backend_.weights() == kernels::WeightType::kInt8
                           ? kernels::QuantisedStride(k)
                           : kernels::PaddedWidth(k) * kernels::Size(backend_.type());
    x_.resize(std::max(x_.size(), rows * row + 64), 0x3d);
    y_.resize(std::max(y_.size(), rows * columns * static_cast<size_t>(pool_.threads())));
  }
  // The rows as the engine gives them to a matrix: arranged, where there are many.
  kernels::InputRows Arranged(const kernels::Matrix& matrix, int rows) {
    const kernels::RowLayout layout = matrix.layout();
    if (layout == kernels::RowLayout::kPlain || rows < kernels::kArrangedRows) return Aligned(x_);
    const int width = kernels::PaddedWidth(matrix.k());
    const size_t padded = kernels::PaddedRows(rows);
    arranged_.resize(std::max(arranged_.size(), padded * kernels::ArrangedRowBytes(layout, width) + 64));
    pool_.ParallelFor(static_cast<int>(padded) / kernels::kRowTile, [&](int unit, int) {
      kernels::ArrangeRows(layout, static_cast<const uint16_t*>(Aligned(x_)), width, unit * kernels::kRowTile,
                           Aligned(arranged_));
    });
    return {Aligned(arranged_), true};
  }
  static void* Aligned(std::vector<uint8_t>& bytes) {
    return reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(bytes.data()) + 63) / 64 * 64);
  }

  const kernels::Backend& backend_;
  kernels::ThreadPool& pool_;
  std::vector<std::unique_ptr<kernels::Matrix>> matrices_;
  std::vector<uint8_t> x_, arranged_;
  std::vector<float> y_;
};

}  // namespace orrery::bench
