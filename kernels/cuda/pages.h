// SPDX-License-Identifier: Apache-2.0
#pragma once

// Kernels that fill the pages of keys and values. One layer of a page holds keys, then values, each
// [kv_head][slot][head_dim].

#include "kernels/cuda/view.h"
#include "kernels/kernels.h"

namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE {

// Where the rows' keys and values lie, in elements.
template <class T>
struct PageTable {
  View<T> kv;
  size_t offset = 0, page_stride = 0;
  View<const int32_t> positions;  // [rows]
  View<const int32_t> pages;      // [rows][width]
  int width = 0;

  ORRERY_KERNEL int32_t page(size_t row, int number) const { return pages[row * width + number]; }
  ORRERY_KERNEL size_t begin(int32_t page) const { return offset + static_cast<size_t>(page) * page_stride; }
};

// Adds the bias (may be empty), turns queries and keys by the row's position, and stores keys and values. One block a
// row; a thread treats pairs of queries or keys, then values.
template <class T>
struct RotateAndStoreKernel {
  static constexpr const char* kName = "rotate_and_store";
  using Shared = NoShared;

  View<float> qkv;                 // [rows][stride]
  View<const float> bias;          // [(heads + 2 · kv_heads) · head_dim]
  View<const float> cosine, sine;  // [positions][head_dim / 2]
  PageTable<T> table;
  AttentionShape shape;
  RopePairs pairs = RopePairs::kHalves;
  size_t stride = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared&) const {
    const size_t row = context.block().x;
    const int32_t position = table.positions[row];
    const size_t page = table.begin(table.page(row, position / kPageTokens));
    const int slot = position % kPageTokens, dim = shape.head_dim, half = dim / 2;
    for (int i = context.thread(); i < (shape.heads + shape.kv_heads) * half; i += kThreads)
      Rotate(row, i / half, i % half, position, page, slot);
    const int keys = (shape.heads + shape.kv_heads) * dim;
    const size_t values = page + static_cast<size_t>(shape.kv_heads) * kPageTokens * dim;
    for (int i = context.thread(); i < shape.kv_heads * dim; i += kThreads)
      Store(table.kv[values + Index(i / dim, slot, i % dim)], Biased(row, keys + i));
  }

 private:
  ORRERY_KERNEL float Biased(size_t row, int i) const {
    const float value = qkv[row * stride + i];
    return bias.size() > 0 ? value + bias[i] : value;
  }
  ORRERY_KERNEL size_t Index(int head, int slot, int d) const {
    return (static_cast<size_t>(head) * kPageTokens + slot) * shape.head_dim + d;
  }
  ORRERY_KERNEL void Rotate(size_t row, int head, int i, int32_t position, size_t page, int slot) const {
    const int dim = shape.head_dim, half = dim / 2;
    const int a = pairs == RopePairs::kHalves ? i : 2 * i, b = pairs == RopePairs::kHalves ? i + half : 2 * i + 1;
    const float first = Biased(row, head * dim + a), second = Biased(row, head * dim + b);
    const float c = cosine[static_cast<size_t>(position) * half + i],
                s = sine[static_cast<size_t>(position) * half + i];
    const float turned_first = first * c - second * s, turned_second = second * c + first * s;
    if (head < shape.heads) {
      qkv[row * stride + head * dim + a] = turned_first;
      qkv[row * stride + head * dim + b] = turned_second;
    } else {
      Store(table.kv[page + Index(head - shape.heads, slot, a)], turned_first);
      Store(table.kv[page + Index(head - shape.heads, slot, b)], turned_second);
    }
  }
};

// Copies the first `slots` tokens of `count` elements of a page (all its layers); the others become zero. One thread an
// element.
template <class T>
struct CopyPageKernel {
  static constexpr const char* kName = "copy_page";
  using Shared = NoShared;

  View<T> kv;
  size_t from = 0, to = 0, count = 0;  // in elements
  int head_dim = 0, slots = 0;

  template <class Context>
  ORRERY_KERNEL void operator()(Context& context, Shared&) const {
    const size_t i = static_cast<size_t>(context.block().x) * kThreads + context.thread();
    if (i >= count) return;
    const int slot = static_cast<int>(i / head_dim % kPageTokens);
    kv[to + i] = slot < slots ? kv[from + i] : T{0};
  }
};

}  // namespace orrery::kernels::cuda::inline ORRERY_KERNEL_SPACE
