// SPDX-License-Identifier: Apache-2.0
#include "kernels/host_training.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "kernels/bfloat16.h"

namespace orrery::kernels {
namespace {

constexpr int kRowChunk = 256;     // rows of a product's unit
constexpr int kDepthChunk = 2048;  // rows that a weight's gradient sums at a time
constexpr int kSumRows = 64;       // rows that are summed by themselves first

// ToBfloat16 of eight.
__m256i RoundEight(const float* from) {
  const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(from)), upper = _mm256_srli_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
  const __m256i rounded =
      _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd), 16);
  const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
  const __m256i nan = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(0x7f800000));
  return _mm256_blendv_epi8(rounded, _mm256_or_si256(upper, _mm256_set1_epi32(0x40)), nan);
}

void RoundRow(const float* from, int count, uint16_t* to) {
  int i = 0;
  for (; i + 16 <= count; i += 16) {
    const __m256i packed = _mm256_packus_epi32(RoundEight(from + i), RoundEight(from + i + 8));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), _mm256_permute4x64_epi64(packed, 0xd8));
  }
  for (; i < count; ++i) to[i] = ToBfloat16(from[i]);
}

// to += from
void AddRow(const float* from, int count, float* to) {
  int i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(to + i, _mm256_add_ps(_mm256_loadu_ps(to + i), _mm256_loadu_ps(from + i)));
  for (; i < count; ++i) to[i] += from[i];
}

template <class T>
std::vector<T>& Scratch(size_t count) {
  thread_local std::vector<T> scratch;
  if (scratch.size() < count) scratch.resize(count);
  return scratch;
}

class BothWays : public TrainingWeight {
 public:
  BothWays(const Backend& backend, int n, int k)
      : TrainingWeight(n, k), forward(backend.NewMatrix(n, k)), backward(backend.NewMatrix(k, n)) {}
  std::unique_ptr<Matrix> forward, backward;
};

// Rows [first, first + count) of x·Wᵀ for one block of columns go to take(rows' first, values, stride).
struct BlockProduct {
  const Matrix& matrix;
  const RowsBuffer& x;
  float* out;
  bool add;
  const uint8_t* arranged = nullptr;  // the same rows in the matrix's layout, where it has one

  void Rows(int block, int first, int count, float* y, ptrdiff_t stride) const {
    const size_t row = ArrangedRowBytes(matrix.layout(), PaddedWidth(matrix.k()));
    const InputRows rows =
        arranged != nullptr ? InputRows(arranged + static_cast<size_t>(first) * row, true) : InputRows(x.row(first));
    matrix.Multiply(block, rows, count, y, stride);
  }

  void operator()(int block, int first, int count) const {
    const int width = matrix.block_columns(), columns = matrix.columns(block), n = matrix.n();
    if (!add && columns == width && count == PaddedRows(count)) {
      Rows(block, first, count, out + static_cast<size_t>(first) * n + static_cast<size_t>(block) * width, n);
      return;
    }
    auto& y = Scratch<float>(static_cast<size_t>(kRowChunk) * width);
    Rows(block, first, count, y.data(), width);
    for (int r = 0; r < count; ++r) {
      const float* from = &y[static_cast<size_t>(r) * width];
      float* to = out + static_cast<size_t>(first + r) * n + static_cast<size_t>(block) * width;
      if (add) {
        AddRow(from, columns, to);
      } else {
        std::copy_n(from, columns, to);
      }
    }
  }
};

// Bytes that a product reads, aligned to 64, in scratch apart from that of its results.
uint8_t* RowsScratch(size_t bytes) {
  auto& storage = Scratch<uint8_t>(bytes + 64);
  return reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(storage.data()) + 63) / 64 * 64);
}

void Multiply(ThreadPool& pool, BlockProduct product, int rows) {
  if (const RowLayout layout = product.matrix.layout(); layout != RowLayout::kPlain) {
    const int width = PaddedWidth(product.matrix.k());
    uint8_t* arranged = RowsScratch(static_cast<size_t>(PaddedRows(rows)) * ArrangedRowBytes(layout, width));
    pool.ParallelFor(PaddedRows(rows) / kRowTile, [&](int unit, int) {
      ArrangeRows(layout, static_cast<const uint16_t*>(product.x.row(0)), width, unit * kRowTile, arranged);
    });
    product.arranged = arranged;
  }
  const int chunks = (rows + kRowChunk - 1) / kRowChunk;
  pool.ParallelFor(product.matrix.blocks() * chunks, [&](int unit, int) {
    const int first = unit % chunks * kRowChunk;
    product(unit / chunks, first, std::min(kRowChunk, rows - first));
  });
}

constexpr int kBlock = 8;  // rows and columns that are transposed together
constexpr int kTile = 64;  // and that are near each other in time

// to[j][i] = from[i][j]
inline void TransposeBlock(const float* from, ptrdiff_t stride, float* to, ptrdiff_t to_stride) {
  for (int j = 0; j < kBlock; ++j)
    for (int i = 0; i < kBlock; ++i) to[j * to_stride + i] = from[i * stride + j];
}

inline void TransposeBlock(const uint16_t* from, ptrdiff_t stride, uint16_t* to, ptrdiff_t to_stride) {
  __m128i x[kBlock], y[kBlock];
  for (int i = 0; i < kBlock; ++i) x[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * stride));
  for (int i = 0; i < 4; ++i) {
    y[2 * i] = _mm_unpacklo_epi16(x[i], x[i + 4]);
    y[2 * i + 1] = _mm_unpackhi_epi16(x[i], x[i + 4]);
  }
  for (int i = 0; i < 4; ++i) {
    x[2 * i] = _mm_unpacklo_epi16(y[i], y[i + 4]);
    x[2 * i + 1] = _mm_unpackhi_epi16(y[i], y[i + 4]);
  }
  for (int i = 0; i < 4; ++i) {
    y[2 * i] = _mm_unpacklo_epi16(x[i], x[i + 4]);
    y[2 * i + 1] = _mm_unpackhi_epi16(x[i], x[i + 4]);
  }
  for (int j = 0; j < kBlock; ++j) _mm_storeu_si128(reinterpret_cast<__m128i*>(to + j * to_stride), y[j]);
}

// to[c][r] = from[first + r][left + c], `columns` columns by `depth` rows; rows of `to` are `stride` wide, zeros
// beyond, in tiles where that is asked for.
template <class T>
void Transpose(const RowsBuffer& from, int first, int depth, int left, int columns, int stride, bool tiled, T* to) {
  const auto place = [&](int c, int r) {
    return tiled ? TileIndex(stride, c, r)
                 : static_cast<size_t>(c) * static_cast<size_t>(stride) + static_cast<size_t>(r);
  };
  const ptrdiff_t to_stride = tiled ? 32 : stride;
  const auto row_stride = static_cast<ptrdiff_t>(from.stride_bytes() / sizeof(T));
  const T* data = static_cast<const T*>(from.row(first)) + left;
  const int whole_rows = depth / kBlock * kBlock, whole_columns = columns / kBlock * kBlock;
  // By tiles of whole cache lines that stay in the first-level cache while they are read.
  for (int tile_c = 0; tile_c < whole_columns; tile_c += kTile) {
    for (int tile_r = 0; tile_r < whole_rows; tile_r += kTile) {
      for (int c = tile_c; c < std::min(tile_c + kTile, whole_columns); c += kBlock) {
        for (int r = tile_r; r < std::min(tile_r + kTile, whole_rows); r += kBlock)
          TransposeBlock(data + r * row_stride + c, row_stride, to + place(c, r), to_stride);
      }
    }
  }
  for (int c = 0; c < columns; ++c) {
    for (int r = c < whole_columns ? whole_rows : 0; r < depth; ++r) to[place(c, r)] = data[r * row_stride + c];
    for (int r = depth; r < stride; ++r) to[place(c, r)] = T{};
  }
}

// dw[rows of the chunk] += dyᵀ[rows of the chunk]·x.
template <class T>
void AddOuterProducts(const Matrix& transposed_x, const RowsBuffer& dy, int first, int depth, int left, int count,
                      float* dw) {
  const int k = transposed_x.n(), width = transposed_x.block_columns();
  const int stride = PaddedWidth(transposed_x.k());
  const RowLayout layout = transposed_x.layout();
  const size_t plain_bytes = kRowChunk * static_cast<size_t>(stride) * sizeof(T);
  const size_t wide_bytes = layout == RowLayout::kFloats ? kRowChunk * ArrangedRowBytes(layout, stride) : 0;
  uint8_t* rows = RowsScratch(plain_bytes + wide_bytes);
  Transpose(dy, first, depth, left, count, stride, layout == RowLayout::kTiles, reinterpret_cast<T*>(rows));
  if (layout == RowLayout::kFloats) {
    const auto* plain = reinterpret_cast<const uint16_t*>(rows);
    rows += plain_bytes;
    for (int r = 0; r < count; r += kRowTile) ArrangeRows(layout, plain, stride, r, rows);
  }
  auto& y = Scratch<float>(static_cast<size_t>(kRowChunk) * width);
  for (int block = 0; block < transposed_x.blocks(); ++block) {
    transposed_x.Multiply(block, {rows, layout != RowLayout::kPlain}, count, y.data(), width);
    for (int r = 0; r < count; ++r) {
      float* to = dw + static_cast<size_t>(left + r) * k + static_cast<size_t>(block) * width;
      const float* from = &y[static_cast<size_t>(r) * width];
      AddRow(from, transposed_x.columns(block), to);
    }
  }
}

// Rows of a weight's gradient that one thread makes at a time: enough such units for all threads to have as much to do.
int GradientRows(int width) { return std::clamp(width / 8 / kRowTile * kRowTile, 2 * kRowTile, kRowChunk); }

template <class T>
void WeightGradient(Matrix& transposed_x, ThreadPool& pool, const RowsBuffer& dy, const RowsBuffer& x, int first,
                    int depth, float* dw) {
  pool.ParallelFor(transposed_x.blocks(), [&](int block, int) {
    transposed_x.PackColumns(block, x.row(first), x.type(), static_cast<ptrdiff_t>(x.stride_bytes() / sizeof(T)),
                             depth);
  });
  const int rows = GradientRows(dy.width());
  pool.ParallelFor((dy.width() + rows - 1) / rows, [&](int chunk, int) {
    const int left = chunk * rows;
    AddOuterProducts<T>(transposed_x, dy, first, depth, left, std::min(rows, dy.width() - left), dw);
  });
}

}  // namespace

std::unique_ptr<TrainingWeight> HostTraining::NewWeight(int n, int k) const {
  return std::make_unique<BothWays>(backend_, n, k);
}

void HostTraining::SetWeight(TrainingWeight& weight, const float* w) const {
  Matrix &forward = *static_cast<BothWays&>(weight).forward, &backward = *static_cast<BothWays&>(weight).backward;
  const int n = weight.n(), k = weight.k();
  pool_.ParallelFor(forward.blocks(), [&](int block, int) {
    forward.Pack(block, w + static_cast<size_t>(block) * forward.block_columns() * k);
  });
  pool_.ParallelFor(backward.blocks(), [&](int block, int) { backward.PackColumns(block, w, Type::kFloat32, k, n); });
}

void HostTraining::Product(const TrainingWeight& weight, const RowsBuffer& x, int rows, float* y) const {
  Multiply(pool_, {*static_cast<const BothWays&>(weight).forward, x, y, false}, rows);
}

void HostTraining::ProductInputGradient(const TrainingWeight& weight, const RowsBuffer& dy, int rows, bool add,
                                        float* dx) const {
  Multiply(pool_, {*static_cast<const BothWays&>(weight).backward, dy, dx, add}, rows);
}

void HostTraining::ProductWeightGradient(const RowsBuffer& dy, const RowsBuffer& x, int rows, float* dw) const {
  for (int first = 0; first < rows; first += kDepthChunk) {
    const int depth = std::min(kDepthChunk, rows - first), padded = (depth + 255) / 256 * 256;
    auto& matrix = transposed_[{x.width(), padded}];
    if (matrix == nullptr) matrix = backend_.NewMatrix(x.width(), padded);
    if (type() == Type::kFloat32) {
      WeightGradient<float>(*matrix, pool_, dy, x, first, depth, dw);
    } else {
      WeightGradient<uint16_t>(*matrix, pool_, dy, x, first, depth, dw);
    }
  }
}

void HostTraining::Round(const float* from, ptrdiff_t stride, int rows, RowsBuffer& to) const {
  ForRows(rows, [&](int r) {
    const float* row = from + r * stride;
    if (type() == Type::kFloat32) {
      std::memcpy(to.row(r), row, to.width() * sizeof(float));
    } else {
      RoundRow(row, to.width(), static_cast<uint16_t*>(to.row(r)));
    }
  });
}

void HostTraining::Clear(float* x, size_t count) const {
  ForRuns(count, [&](size_t begin, size_t end) { std::memset(x + begin, 0, (end - begin) * sizeof(float)); });
}

void HostTraining::Embed(const float* table, std::span<const int32_t> tokens, int width, float* x) const {
  ForRows(static_cast<int>(tokens.size()), [&](int r) {
    std::copy_n(table + static_cast<size_t>(tokens[r]) * width, width, x + static_cast<size_t>(r) * width);
  });
}

void HostTraining::EmbedGradient(std::span<const int32_t> tokens, int width, const float* dx, float* dtable) const {
  // Rows of one token are added in their order, by one thread.
  std::vector<int32_t> order(tokens.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return tokens[a] < tokens[b]; });
  std::vector<size_t> groups;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || tokens[order[i]] != tokens[order[i - 1]]) groups.push_back(i);
  }
  groups.push_back(order.size());
  pool_.ParallelFor(static_cast<int>(groups.size()) - 1, [&](int group, int) {
    float* to = dtable + static_cast<size_t>(tokens[order[groups[group]]]) * width;
    for (size_t i = groups[group]; i < groups[group + 1]; ++i) {
      const float* from = dx + static_cast<size_t>(order[i]) * width;
      for (int c = 0; c < width; ++c) to[c] += from[c];
    }
  });
}

void HostTraining::Add(float* x, const float* y, size_t count) const {
  ForRuns(count, [&](size_t begin, size_t end) { backend_.Add(x + begin, y + begin, static_cast<int>(end - begin)); });
}

void HostTraining::AddBias(const float* bias, int width, int rows, float* y) const {
  ForRows(rows, [&](int r) { backend_.Add(y + static_cast<size_t>(r) * width, bias, width); });
}

void HostTraining::BiasGradient(const float* dy, int width, int rows, float* dbias) const {
  SumOverRows(
      rows, width,
      [&](int row, float* partial) { backend_.Add(partial, dy + static_cast<size_t>(row) * width, width); }, dbias);
}

void HostTraining::SumOverRows(int rows, int width, const std::function<void(int row, float* partial)>& fn,
                               float* sums) const {
  const int chunks = (rows + kSumRows - 1) / kSumRows;
  std::vector<float> partial(static_cast<size_t>(chunks) * width, 0);
  pool_.ParallelFor(chunks, [&](int chunk, int) {
    for (int r = chunk * kSumRows; r < std::min(rows, (chunk + 1) * kSumRows); ++r)
      fn(r, &partial[static_cast<size_t>(chunk) * width]);
  });
  for (int i = 0; i < width; ++i) {
    double sum = 0;
    for (int chunk = 0; chunk < chunks; ++chunk) sum += double{partial[static_cast<size_t>(chunk) * width + i]};
    sums[i] += static_cast<float>(sum);
  }
}

void HostTraining::RmsNorm(const float* x, const float* gain, int width, float eps, int rows, RowsBuffer& out) const {
  ForRows(rows, [&](int r) { backend_.RmsNorm(x + static_cast<size_t>(r) * width, gain, width, eps, out.row(r)); });
}

void HostTraining::Rope(const Sequences& sequences, int heads, int head_dim, RopePairs pairs, const float* cosine,
                        const float* sine, bool back, float* x, ptrdiff_t stride) const {
  const int half = head_dim / 2;
  for (int s = 0; s < sequences.count(); ++s) {
    const int begin = sequences.begins[s];
    ForRows(sequences.length(s), [&](int row) {
      const size_t angle = static_cast<size_t>(sequences.position(s, row)) * half;
      auto& turned = Scratch<float>(half);
      for (int i = 0; i < half; ++i) turned[i] = back ? -sine[angle + i] : sine[angle + i];
      backend_.Rope(x + (begin + row) * stride, heads, head_dim, pairs, cosine + angle, turned.data());
    });
  }
}

double HostTraining::SquaredNorm(const float* x, size_t count) const {
  std::vector<double> sums((count + kRun - 1) / kRun);
  ForRuns(count, [&](size_t begin, size_t end) {
    double lanes[8] = {};
    for (size_t i = begin; i < end; ++i) lanes[i % 8] += double{x[i]} * x[i];
    sums[begin / kRun] =
        ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

}  // namespace orrery::kernels
