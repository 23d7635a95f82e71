// SPDX-License-Identifier: Apache-2.0
#include <omp.h>

#include <algorithm>
#include <array>
#include <dnnl.hpp>
#include <mutex>
#include <vector>

#include "kernels/bfloat16.h"
#include "kernels/cpu/backend.h"

namespace orrery::kernels::cpu {
namespace {

// Rows go through the library in tiles of at most this many, padded to kRowTile: few primitives, each made once per
// shape.
constexpr int kMostRows = 64;

dnnl::engine& Engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

// A product of one number of row tiles.
struct Product {
  dnnl::matmul::primitive_desc description;
  dnnl::matmul primitive;
};

dnnl::memory::data_type DataType(Type type) {
  return type == Type::kFloat32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}

Product MakeProduct(int rows, int columns, int k, Type type, const dnnl::memory::desc* weights) {
  // A library call stays on its caller's thread; the library reads this when it plans a product, too.
  omp_set_num_threads(1);
  using Format = dnnl::memory::format_tag;
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::memory::desc x({rows, k}, DataType(type), Format::ab);
  const dnnl::memory::desc y({rows, columns}, dnnl::memory::data_type::f32, Format::ab);
  const dnnl::memory::desc any({k, columns}, DataType(type), Format::any);
  const dnnl::matmul::desc operation(x, weights != nullptr ? *weights : any, y);
  dnnl::matmul::primitive_desc description(operation, attributes, Engine());
  return {description, dnnl::matmul(description)};
}

class DnnlMatrix : public Matrix {
 public:
  DnnlMatrix(int n, int k, int block_columns, Type type)
      : Matrix(n, k, block_columns), type_(type), depth_(PaddedWidth(k)) {
    // All blocks have the same width: the last one is padded with zeros.
    packing_ = MakeProduct(kMostRows, block_columns, depth_, type, nullptr).description.weights_desc();
    block_bytes_ = (packing_.get_size() + 63) / 64 * 64;
    memory_ = std::make_unique<WeightMemory>(block_bytes_ * blocks());
  }

  void Pack(int block, const float* w) override {
    omp_set_num_threads(1);
    const int count = columns(block);
    std::vector<float> padded(static_cast<size_t>(block_columns()) * depth_);
    for (int c = 0; c < count; ++c) {
      for (int i = 0; i < k(); ++i) {
        float value = w[static_cast<size_t>(c) * k() + i];
        if (type_ == Type::kBfloat16) value = FromBfloat16(ToBfloat16(value));
        padded[static_cast<size_t>(c) * depth_ + i] = value;
      }
    }
    const dnnl::memory::desc plain({depth_, block_columns()}, dnnl::memory::data_type::f32,
                                   dnnl::memory::format_tag::ba);
    dnnl::memory from(plain, Engine(), padded.data());
    dnnl::memory to(packing_, Engine(), Block(block));
    dnnl::stream stream(Engine());
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
  }

  void Multiply(int block, InputRows x, int rows, float* y, ptrdiff_t y_stride) const override {
    omp_set_num_threads(1);
    thread_local dnnl::stream stream(Engine());
    thread_local std::vector<uint8_t> scratch;
    thread_local std::vector<float> dense;  // with rows further apart the library falls back to plain loops
    const size_t width = static_cast<size_t>(block_columns());
    dense.resize(std::max(dense.size(), kMostRows * width));
    for (int first = 0; first < rows; first += kMostRows) {
      const int count = std::min(PaddedRows(rows - first), kMostRows);
      const Product& product = Find(count);
      const auto& plan = product.description;
      const size_t needed = plan.scratchpad_desc().get_size() + 64;
      if (scratch.size() < needed) scratch.resize(needed);
      auto* input = static_cast<const uint8_t*>(x.data) + static_cast<size_t>(first) * depth_ * Size(type_);
      product.primitive.execute(
          stream,
          {{DNNL_ARG_SRC, dnnl::memory(plan.src_desc(), Engine(), const_cast<uint8_t*>(input))},
           {DNNL_ARG_WEIGHTS, dnnl::memory(packing_, Engine(), Block(block))},
           {DNNL_ARG_DST, dnnl::memory(plan.dst_desc(), Engine(), dense.data())},
           {DNNL_ARG_SCRATCHPAD,
            dnnl::memory(plan.scratchpad_desc(), Engine(),
                         reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(scratch.data()) + 63) / 64 * 64))}});
      stream.wait();
      for (int r = 0; r < std::min(count, rows - first); ++r)
        std::copy_n(&dense[r * width], width, y + (first + r) * y_stride);
    }
  }

 private:
  uint8_t* Block(int block) const { return memory_->as<uint8_t>() + block_bytes_ * block; }

  const Product& Find(int rows) const {
    const std::lock_guard lock(mutex_);
    auto& found = products_[rows / kRowTile - 1];
    if (found == nullptr)
      found = std::make_unique<Product>(MakeProduct(rows, block_columns(), depth_, type_, &packing_));
    return *found;
  }

  Type type_;
  int depth_;
  dnnl::memory::desc packing_;
  size_t block_bytes_;
  std::unique_ptr<WeightMemory> memory_;
  mutable std::mutex mutex_;
  mutable std::array<std::unique_ptr<Product>, kMostRows / kRowTile> products_;  // by number of row tiles
};

int BlockColumns(int n) { return n < 4096 ? 64 : 256; }

}  // namespace

std::unique_ptr<Matrix> NewDnnlMatrix(int n, int k, Type type) {
  return std::make_unique<DnnlMatrix>(n, k, BlockColumns(n), type);
}

size_t DnnlMatrixBytes(int n, int k, Type type) {
  const size_t blocks = (n + BlockColumns(n) - 1) / BlockColumns(n);
  return blocks * BlockColumns(n) * PaddedWidth(k) * Size(type);
}

}  // namespace orrery::kernels::cpu
