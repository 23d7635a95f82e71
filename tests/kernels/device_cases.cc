// SPDX-License-Identifier: Apache-2.0
#include "tests/kernels/device_cases.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "kernels/bfloat16.h"

namespace orrery::kernels {
namespace {

using BufferPtr = std::unique_ptr<Buffer>;

BufferPtr Uploaded(Device& device, Type type, const std::vector<float>& values) {
  BufferPtr buffer = device.NewBuffer(type, values.size());
  if (type == Type::kFloat32) {
    device.Upload(values.data(), buffer->bytes(), *buffer, 0);
  } else {
    std::vector<uint16_t> rounded;
    for (const float value : values) rounded.push_back(ToBfloat16(value));
    device.Upload(rounded.data(), buffer->bytes(), *buffer, 0);
  }
  return buffer;
}

BufferPtr Floats(Device& device, const std::vector<float>& values) { return Uploaded(device, Type::kFloat32, values); }

Computed Downloaded(Device& device, const Buffer& buffer) {
  Computed computed{std::vector<float>(buffer.count()), {}};
  if (buffer.type() == Type::kFloat32) {
    device.Download(buffer, 0, buffer.bytes(), computed.values.data());
  } else {
    std::vector<uint16_t> bits(buffer.count());
    device.Download(buffer, 0, buffer.bytes(), bits.data());
    for (size_t i = 0; i < bits.size(); ++i) computed.values[i] = FromBfloat16(bits[i]);
  }
  computed.status = device.status();
  return computed;
}

// The rows of a buffer that count, without what lies beyond `width`.
Computed Rows(Device& device, const Buffer& buffer, int rows, int width, int stride) {
  const Computed all = Downloaded(device, buffer);
  Computed computed{{}, all.status};
  for (int r = 0; r < rows; ++r) {
    const auto begin = all.values.begin() + ptrdiff_t{r} * stride;
    computed.values.insert(computed.values.end(), begin, begin + width);
  }
  return computed;
}

std::vector<float> PaddedInput(Device& device, int rows, int width, uint32_t seed) {
  std::vector<float> values(static_cast<size_t>(device.PaddedRows(rows)) * PaddedWidth(width));
  for (int r = 0; r < rows; ++r) {
    const std::vector<float> row = Normal(width, seed + r);
    std::copy(row.begin(), row.end(), values.begin() + ptrdiff_t{r} * PaddedWidth(width));
  }
  return values;
}

Computed RunEmbed(Device& device, int rows, int width) {
  const std::vector<float> values = Normal(size_t{300} * width, 1);
  const auto table = device.NewRowTable(
      300, width, [&](int64_t row, float* out) { std::copy_n(values.begin() + row * width, width, out); });
  std::vector<int32_t> numbers;
  for (int r = 0; r < rows; ++r) numbers.push_back(r * 77 % 300);
  const BufferPtr x = device.NewBuffer(Type::kFloat32, static_cast<size_t>(rows) * width);
  device.Embed(*table, numbers, width, *x);
  return Downloaded(device, *x);
}

Computed RunRmsNorm(Device& device, int rows, int width, bool chosen) {
  const BufferPtr x = Floats(device, Normal(static_cast<size_t>(rows) * width, 2, 3)),
                  gain = Floats(device, Normal(width, 3));
  const BufferPtr out =
      device.NewBuffer(device.type(), static_cast<size_t>(device.PaddedRows(rows)) * PaddedWidth(width));
  const std::vector<int32_t> which = {rows - 1, 0, rows / 2};
  const int count = chosen ? 3 : rows;
  device.RmsNorm(*x, *gain, width, 1e-5f, count, chosen ? which.data() : nullptr, *out);
  return Rows(device, *out, count, PaddedWidth(width), PaddedWidth(width));
}

enum class Product { kPlain, kAdd, kSwiGlu };

Computed RunProduct(Device& device, Product kind, int rows, int n, int k) {
  const std::vector<float> w = Normal(static_cast<size_t>(n) * k, 4, 0.3f);
  const auto matrix = device.NewMatrix(n, k);
  for (int b = 0; b < matrix->blocks(); ++b) matrix->Pack(b, &w[static_cast<size_t>(b) * matrix->block_columns() * k]);
  const BufferPtr input = Uploaded(device, device.type(), PaddedInput(device, rows, k, 50));
  const int stride = Device::OutputStride(*matrix);
  if (kind == Product::kPlain) {
    const BufferPtr y = device.NewBuffer(Type::kFloat32, static_cast<size_t>(device.PaddedRows(rows)) * stride);
    device.Product(*matrix, *input, rows, *y);
    return Rows(device, *y, rows, n, stride);
  }
  if (kind == Product::kAdd) {
    const BufferPtr x = Floats(device, Normal(static_cast<size_t>(rows) * n, 5));
    device.AddProduct(*matrix, *input, rows, *x);
    return Downloaded(device, *x);
  }
  const int width = PaddedWidth(n / 2);
  const BufferPtr out = device.NewBuffer(device.type(), static_cast<size_t>(device.PaddedRows(rows)) * width);
  device.SwiGluProduct(*matrix, *input, rows, 16, *out);
  return Rows(device, *out, rows, width, width);
}

struct AttentionCase {
  AttentionShape shape;
  RopePairs pairs;
  std::vector<int> lengths;  // of the sequences; the batch holds the last row of each
  int shared_pages;          // that all sequences begin with
  int window = 0;            // keys that a row sees; 0: all
};

// Positions' cosines and sines, and a bias, on a device.
struct Rotation {
  Rotation(Device& device, const AttentionShape& shape) {
    constexpr int kPositions = 256;
    const int half = shape.head_dim / 2;
    std::vector<float> cosines, sines;
    for (int i = 0; i < kPositions * half; ++i) {
      const double angle = (i / half) * std::pow(100.0, -double(i % half) / half);
      cosines.push_back(static_cast<float>(std::cos(angle)));
      sines.push_back(static_cast<float>(std::sin(angle)));
    }
    cosine = Floats(device, cosines);
    sine = Floats(device, sines);
    bias = Floats(device, Normal(size_t(shape.heads + 2 * shape.kv_heads) * shape.head_dim, 6));
  }
  BufferPtr cosine, sine, bias;
};

// Sequences of tokens whose keys and values go to pages of a device.
class Sequences {
 public:
  Sequences(Device& device, const AttentionCase& c) : device_(device), case_(c), rotation_(device, c.shape) {
    width_ = (c.shape.heads + 2 * c.shape.kv_heads) * c.shape.head_dim;
    stride_ = (width_ + 31) / 32 * 32;
    int next = 1;  // page 0 stays empty
    for (size_t s = 0; s < c.lengths.size(); ++s) {
      tables_.emplace_back();
      for (int p = 0; p * kPageTokens < c.lengths[s]; ++p)
        tables_[s].push_back(s > 0 && p < c.shared_pages ? tables_[0][p] : next++);
    }
    const size_t layer_bytes = device.PageBytes(c.shape), page_bytes = 2 * layer_bytes;
    kv_ = device.NewBuffer(device.type(), page_bytes * next / Size(device.type()));
    layer_ = {kv_.get(), layer_bytes, page_bytes};
  }

  // One batch: a token of each of some sequences. Those on shared pages are the same in all sequences.
  void Store(const std::vector<std::pair<int, int>>& tokens) {
    std::vector<int32_t> positions;
    std::vector<const int32_t*> pages;
    std::vector<float> values;
    for (const auto& [s, t] : tokens) {
      positions.push_back(t);
      pages.push_back(tables_[s].data());
      std::vector<float> row = Normal(width_, 100 + t + (t < case_.shared_pages * kPageTokens ? 0 : s * 1000));
      row.resize(stride_);
      values.insert(values.end(), row.begin(), row.end());
    }
    device_.SetBatch({positions, pages});
    qkv_ = Floats(device_, values);
    device_.RotateAndStore(case_.shape, rotation_.bias.get(),
                           {rotation_.cosine.get(), rotation_.sine.get(), case_.pairs}, *qkv_, stride_, layer_);
  }

  // What the last batch's rows attend to.
  Computed Attend(int rows) {
    const int width = case_.shape.heads * case_.shape.head_dim;
    const BufferPtr out = device_.NewBuffer(device_.type(), size_t(device_.PaddedRows(rows)) * PaddedWidth(width));
    device_.Attend(case_.shape, case_.window, *qkv_, stride_, layer_, *out);
    return Rows(device_, *out, rows, width, PaddedWidth(width));
  }

  const Buffer& kv() const { return *kv_; }

 private:
  Device& device_;
  const AttentionCase& case_;
  Rotation rotation_;
  int width_ = 0, stride_ = 0;
  std::vector<std::vector<int32_t>> tables_;
  BufferPtr kv_, qkv_;
  KvLayer layer_;
};

// Fills pages token by token as a transformer would, then attends with the last token of each sequence. Pages of keys
// and values are compared too, in the order of a page's elements on this device, unless `out_only`.
Computed RunAttention(Device& device, const AttentionCase& c, bool out_only) {
  Sequences sequences(device, c);
  const int count = static_cast<int>(c.lengths.size()), most = *std::max_element(c.lengths.begin(), c.lengths.end());
  std::vector<std::pair<int, int>> tokens;
  for (int t = 0; t < most; ++t) {
    tokens.clear();
    for (int s = 0; s < count; ++s) {
      const bool stored = s > 0 && t < c.shared_pages * kPageTokens;  // by the first sequence, the longest
      if (t < c.lengths[s] && !stored) tokens.emplace_back(s, t);
    }
    sequences.Store(tokens);
  }
  tokens.clear();
  for (int s = 0; s < count; ++s) tokens.emplace_back(s, c.lengths[s] - 1);
  sequences.Store(tokens);  // once more, as one batch
  Computed computed = sequences.Attend(count);
  if (out_only) return computed;
  const Computed stored = Downloaded(device, sequences.kv());
  computed.values.insert(computed.values.end(), stored.values.begin(), stored.values.end());
  return computed;
}

Computed RunPages(Device& device) {
  const AttentionShape shape = {4, 2, 48};
  const size_t page_bytes = 3 * device.PageBytes(shape), page = page_bytes / Size(device.type());
  const BufferPtr kv = Uploaded(device, device.type(), Normal(4 * page, 8));
  device.CopyPage(shape, 3, *kv, page_bytes, 0, 2, 11);
  device.CopyPage(shape, 3, *kv, page_bytes, 3, 0, kPageTokens);
  device.ClearPage(*kv, page_bytes, 1);
  return Downloaded(device, *kv);
}

Computed RunLogits(Device& device, int rows, int count) {
  const int stride = (count + 31) / 32 * 32;
  std::vector<float> values = Normal(static_cast<size_t>(rows) * stride, 9, 5);
  values[count / 2] = values[count - 1] = 40;  // a tie: the lower index
  values[count == stride ? 0 : count] = 99;    // beyond the end, where there is one
  const BufferPtr logits = Floats(device, values);
  std::vector<Backend::Peak> peaks(rows);
  device.Maximum(*logits, stride, rows, count, peaks.data());
  std::vector<float> shifts, scales;
  Computed computed;
  for (int r = 0; r < rows; ++r) {
    computed.values.push_back(peaks[r].value);
    computed.values.push_back(static_cast<float>(peaks[r].index));
    shifts.push_back(peaks[r].value);
    scales.push_back(0.5f + 0.1f * static_cast<float>(r));
  }
  std::vector<double> sums(static_cast<size_t>(rows) * Device::SumBlocks(count));
  device.SumExp(*logits, stride, rows, count, shifts.data(), scales.data(), sums.data());
  for (const double sum : sums) {
    computed.values.push_back(static_cast<float>(sum));
    computed.values.push_back(static_cast<float>(sum - static_cast<float>(sum)));
  }
  computed.status = device.status();
  return computed;
}

}  // namespace

void UploadRows(Device& device, Buffer& to, const float* values, int rows, int width) {
  const size_t stride = PaddedWidth(width);
  std::vector<float> padded(rows * stride);
  for (int r = 0; r < rows; ++r) std::copy_n(values + size_t(r) * width, width, &padded[r * stride]);
  device.Copy(*Uploaded(device, to.type(), padded), 0, to, 0, padded.size() * Size(to.type()));
}

std::vector<float> Normal(size_t count, uint32_t seed, float scale) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

std::vector<DeviceCase> DeviceCases() {
  std::vector<DeviceCase> cases;
  const auto add = [&](std::string name, bool product, auto run) { cases.push_back({std::move(name), product, run}); };
  for (const auto& [rows, width] : {std::pair{1, 1}, {3, 33}, {5, 576}}) {
    const std::string size = std::to_string(rows) + "x" + std::to_string(width);
    add("embed " + size, false, [=](Device& device) { return RunEmbed(device, rows, width); });
    add("rms_norm " + size, false, [=](Device& device) { return RunRmsNorm(device, rows, width, false); });
    add("rms_norm of chosen rows " + size, false,
        [=](Device& device) { return RunRmsNorm(device, rows, width, true); });
  }
  for (const auto& [rows, n, k] : {std::tuple{1, 32, 16}, {3, 96, 48}, {17, 160, 64}}) {
    const std::string size = std::to_string(rows) + "x" + std::to_string(n) + "x" + std::to_string(k);
    add("product " + size, true, [=](Device& device) { return RunProduct(device, Product::kPlain, rows, n, k); });
    add("product and add " + size, true, [=](Device& device) { return RunProduct(device, Product::kAdd, rows, n, k); });
    add("product and swiglu " + size, true,
        [=](Device& device) { return RunProduct(device, Product::kSwiGlu, rows, n, k); });
  }
  const std::vector<AttentionCase> attention = {
      {{4, 2, 32}, RopePairs::kHalves, {97, 70, 65, 64, 33, 32, 1}, 1},
      {{14, 2, 64}, RopePairs::kHalves, {70, 66, 66, 40, 65, 64}, 2},
      {{3, 3, 16}, RopePairs::kInterleaved, {45, 40, 40, 41, 2}, 1},
      {{4, 1, 128}, RopePairs::kInterleaved, {34, 3, 33}, 0},
      {{3, 1, 48}, RopePairs::kHalves, {1}, 0},
      {{4, 2, 32}, RopePairs::kHalves, {97, 70, 65, 64, 33, 32, 1}, 1, 33},
      {{14, 2, 64}, RopePairs::kHalves, {70, 66, 66, 40, 65, 64}, 2, 5},
  };
  for (size_t i = 0; i < attention.size(); ++i) {
    const AttentionCase c = attention[i];
    add("attention " + std::to_string(i), false, [c](Device& device) { return RunAttention(device, c, true); });
    add("attention and pages " + std::to_string(i), false,
        [c](Device& device) { return RunAttention(device, c, false); });
  }
  add("pages copied and cleared", false, RunPages);
  for (const auto& [rows, count] : {std::pair{1, 1}, {2, 17}, {3, 1024}, {2, 5000}})
    add("logits " + std::to_string(rows) + "x" + std::to_string(count), false,
        [=](Device& device) { return RunLogits(device, rows, count); });
  return cases;
}

}  // namespace orrery::kernels
