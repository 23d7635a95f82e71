// SPDX-License-Identifier: Apache-2.0
#include "model/transformer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <utility>

namespace orrery::model {
namespace {

using kernels::PaddedRows;
using kernels::PaddedWidth;

constexpr int kAttentionRows = 32;  // rows of a unit of attention

// Zeroed memory that costs nothing until it is touched, from a huge page's border on: rows far apart then share a page.
class Pages {
 public:
  explicit Pages(size_t bytes) : bytes_((bytes + kHugePage) / kHugePage * kHugePage + kHugePage) {
    mapped_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped_ == MAP_FAILED) throw std::bad_alloc();
    madvise(mapped_, bytes_, MADV_HUGEPAGE);
    data_ = reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(mapped_) + kHugePage - 1) / kHugePage * kHugePage);
  }
  ~Pages() { munmap(mapped_, bytes_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  uint8_t* data() const { return data_; }
  float* floats() const { return reinterpret_cast<float*>(data_); }

 private:
  static constexpr size_t kHugePage = size_t{2} << 20;

  size_t bytes_;
  void* mapped_;
  uint8_t* data_;
};

int WholeBlocks(const kernels::Matrix& matrix) { return matrix.blocks() * matrix.block_columns(); }

int WidestBlock(const Weights& weights) {
  int widest = 0;
  for (const LayerWeights& layer : weights.layers) {
    for (const auto* matrix : {layer.output.get(), layer.gate_up.get(), layer.down.get()})
      widest = std::max(widest, matrix->block_columns());
  }
  return widest;
}

}  // namespace

struct Transformer::Buffers {
  Buffers(const Weights& weights, const kernels::Backend& backend, int threads, int pages, int max_rows)
      : rows(PaddedRows(std::max(max_rows, kLogitRows))),
        qkv_stride(WholeBlocks(*weights.layers.front().qkv)),
        logits_stride(WholeBlocks(*weights.head)),
        scratch_columns(WidestBlock(weights)),
        layer_bytes(backend.PageBytes(weights.shape.attention)),
        page_bytes(PageBytes(weights.shape, backend)),
        x(size_t(rows) * weights.shape.width * sizeof(float)),
        normed(size_t(rows) * PaddedWidth(weights.shape.width) * sizeof(float)),
        qkv(size_t(rows) * qkv_stride * sizeof(float)),
        attended(size_t(rows) * PaddedWidth(weights.shape.query_width()) * sizeof(float)),
        activated(size_t(rows) * PaddedWidth(weights.shape.feed_forward) * sizeof(float)),
        logits(size_t(kLogitRows) * logits_stride * sizeof(float)),
        scratch(size_t(threads) * rows * scratch_columns * sizeof(float)),
        kv(page_bytes * pages) {}

  float* Scratch(int thread) const { return scratch.floats() + size_t(thread) * rows * scratch_columns; }

  int rows, qkv_stride, logits_stride, scratch_columns;
  size_t layer_bytes, page_bytes;
  Pages x, normed, qkv, attended, activated, logits, scratch, kv;
};

size_t Transformer::PageBytes(const ModelShape& shape, const kernels::Backend& backend) {
  return backend.PageBytes(shape.attention) * shape.layers;
}

uint64_t Transformer::WorkBytes(const ModelShape& shape, int max_rows) {
  const uint64_t rows = PaddedRows(std::max(max_rows, kLogitRows));
  const uint64_t widths =
      3 * uint64_t(shape.width) + 3 * uint64_t(shape.query_width()) + uint64_t(shape.feed_forward) + 2048;
  return sizeof(float) * (rows * widths + uint64_t{kLogitRows} * shape.vocabulary +
                          uint64_t(shape.context_length) * shape.attention.head_dim);
}

Transformer::Transformer(Weights weights, const kernels::Backend& backend, kernels::ThreadPool& pool, int pages,
                         int max_rows)
    : weights_(std::move(weights)),
      backend_(backend),
      pool_(pool),
      buffers_(std::make_unique<Buffers>(weights_, backend, pool.threads(), pages, max_rows)) {
  // Angles are float32 products, as the models were trained with.
  const int half = shape().attention.head_dim / 2;
  cosine_.resize(size_t(shape().context_length) * half);
  sine_.resize(cosine_.size());
  for (int i = 0; i < half; ++i) {
    const float frequency = shape().RopeFrequency(i);
    for (int p = 0; p < shape().context_length; ++p) {
      const float angle = static_cast<float>(p) * frequency;
      cosine_[size_t(p) * half + i] = static_cast<float>(std::cos(double{angle}) * shape().rope.magnitude);
      sine_[size_t(p) * half + i] = static_cast<float>(std::sin(double{angle}) * shape().rope.magnitude);
    }
  }
}

Transformer::~Transformer() = default;

void Transformer::Forward(std::span<const BatchRow> rows, const LogitsReader& logits) {
  Embed(rows);
  for (int i = 0; i < shape().layers; ++i) {
    Attention(rows, i);
    FeedForward(static_cast<int>(rows.size()), weights_.layers[i]);
  }
  Logits(rows, logits);
}

void Transformer::Embed(std::span<const BatchRow> rows) {
  const size_t width = shape().width;
  pool_.ParallelFor(static_cast<int>(rows.size()), [&](int r, int) {
    Dequantise(*weights_.embedding, rows[r].token * width, width, buffers_->x.floats() + r * width);
  });
}

void Transformer::Norm(int rows, const std::vector<float>& gain) {
  const size_t width = shape().width, row_bytes = PaddedWidth(shape().width) * kernels::Size(backend_.type());
  pool_.ParallelFor((rows + 7) / 8, [&](int unit, int) {
    for (int r = unit * 8; r < std::min(rows, unit * 8 + 8); ++r) {
      backend_.RmsNorm(buffers_->x.floats() + r * width, gain.data(), shape().width, shape().norm_epsilon,
                       buffers_->normed.data() + r * row_bytes);
    }
  });
}

void Transformer::AddProduct(const kernels::Matrix& matrix, const void* input, int rows) {
  const int stride = matrix.block_columns();
  pool_.ParallelFor(matrix.blocks(), [&](int block, int thread) {
    float* product = buffers_->Scratch(thread);
    matrix.Multiply(block, input, rows, product, stride);
    float* x = buffers_->x.floats() + ptrdiff_t{block} * stride;
    for (int r = 0; r < rows; ++r)
      backend_.Add(x + ptrdiff_t{r} * shape().width, product + ptrdiff_t{r} * stride, matrix.columns(block));
  });
}

void Transformer::RotateAndStore(const BatchRow& row, float* qkv, const LayerWeights& layer, uint8_t* kv) const {
  const kernels::AttentionShape& attention = shape().attention;
  if (!layer.qkv_bias.empty()) backend_.Add(qkv, layer.qkv_bias.data(), static_cast<int>(layer.qkv_bias.size()));
  const size_t angle = static_cast<size_t>(row.position) * (attention.head_dim / 2);
  backend_.Rope(qkv, attention.heads + attention.kv_heads, attention.head_dim, shape().pairs, &cosine_[angle],
                &sine_[angle]);
  const float* keys = qkv + shape().query_width();
  uint8_t* page = kv + static_cast<size_t>(row.pages[row.position / kernels::kPageTokens]) * buffers_->page_bytes;
  backend_.WriteKv(attention, keys, keys + shape().key_width(), page, row.position % kernels::kPageTokens);
}

void Transformer::Attention(std::span<const BatchRow> rows, int number) {
  const LayerWeights& layer = weights_.layers[number];
  const int count = static_cast<int>(rows.size());
  const ptrdiff_t stride = buffers_->qkv_stride;
  float* qkv = buffers_->qkv.floats();
  uint8_t* kv = buffers_->kv.data() + buffers_->layer_bytes * number;

  Norm(count, layer.attention_norm);
  pool_.ParallelFor(layer.qkv->blocks(), [&](int block, int) {
    layer.qkv->Multiply(block, buffers_->normed.data(), count, qkv + ptrdiff_t{block} * layer.qkv->block_columns(),
                        stride);
  });
  pool_.ParallelFor((count + 3) / 4, [&](int unit, int) {
    for (int r = unit * 4; r < std::min(count, unit * 4 + 4); ++r) RotateAndStore(rows[r], qkv + r * stride, layer, kv);
  });

  std::vector<const int32_t*> pages(count);
  std::vector<int32_t> lengths(count);
  for (int r = 0; r < count; ++r) {
    pages[r] = rows[r].pages;
    lengths[r] = rows[r].position + 1;
  }
  kernels::AttentionRows attention;
  attention.q = qkv;
  attention.q_stride = stride;
  attention.out = buffers_->attended.data();
  attention.pages = pages.data();
  attention.lengths = lengths.data();
  attention.window = shape().window;
  attention.rows = count;
  attention.kv = kv;
  attention.kv_stride = buffers_->page_bytes;
  const int units = (count + kAttentionRows - 1) / kAttentionRows, kv_heads = shape().attention.kv_heads;
  pool_.ParallelFor(units * kv_heads, [&](int unit, int) {
    const int first = unit / kv_heads * kAttentionRows;
    backend_.Attend(shape().attention, attention, unit % kv_heads, first, std::min(count, first + kAttentionRows));
  });
  AddProduct(*layer.output, buffers_->attended.data(), count);
}

void Transformer::FeedForward(int rows, const LayerWeights& layer) {
  Norm(rows, layer.feed_forward_norm);
  const size_t element = kernels::Size(backend_.type()), row_bytes = PaddedWidth(shape().feed_forward) * element;
  const int stride = layer.gate_up->block_columns();
  pool_.ParallelFor(layer.gate_up->blocks(), [&](int block, int thread) {
    float* product = buffers_->Scratch(thread);
    layer.gate_up->Multiply(block, buffers_->normed.data(), rows, product, stride);
    uint8_t* out = buffers_->activated.data() + size_t(block) * (stride / 2) * element;
    for (int r = 0; r < rows; ++r) {
      backend_.SwiGlu(product + ptrdiff_t{r} * stride, layer.gate_up->columns(block) / 2, kGateRun,
                      out + r * row_bytes);
    }
  });
  AddProduct(*layer.down, buffers_->activated.data(), rows);
}

void Transformer::Logits(std::span<const BatchRow> rows, const LogitsReader& reader) {
  std::vector<int> wanted;
  for (size_t r = 0; r < rows.size(); ++r) {
    if (rows[r].wants_logits) wanted.push_back(static_cast<int>(r));
  }
  const size_t width = shape().width, row_bytes = PaddedWidth(shape().width) * kernels::Size(backend_.type());
  const kernels::Matrix& head = *weights_.head;
  for (int first = 0; first < static_cast<int>(wanted.size()); first += kLogitRows) {
    const int count = std::min<int>(kLogitRows, static_cast<int>(wanted.size()) - first);
    for (int i = 0; i < count; ++i) {
      backend_.RmsNorm(buffers_->x.floats() + wanted[first + i] * width, weights_.final_norm.data(), shape().width,
                       shape().norm_epsilon, buffers_->normed.data() + i * row_bytes);
    }
    float* logits = buffers_->logits.floats();
    pool_.ParallelFor(head.blocks(), [&](int block, int) {
      head.Multiply(block, buffers_->normed.data(), count, logits + ptrdiff_t{block} * head.block_columns(),
                    buffers_->logits_stride);
    });
    reader(first, count, logits, buffers_->logits_stride);
  }
}

void Transformer::ClearPage(int32_t page) {
  std::memset(buffers_->kv.data() + static_cast<size_t>(page) * buffers_->page_bytes, 0, buffers_->page_bytes);
}

void Transformer::CopyPage(int32_t from, int32_t to, int slots) {
  uint8_t* kv = buffers_->kv.data();
  for (int i = 0; i < shape().layers; ++i) {
    const size_t layer = buffers_->layer_bytes * i;
    backend_.CopyKv(shape().attention, kv + from * buffers_->page_bytes + layer, kv + to * buffers_->page_bytes + layer,
                    slots);
  }
}

}  // namespace orrery::model
