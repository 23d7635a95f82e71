// SPDX-License-Identifier: Apache-2.0
// Every back end this processor allows against the reference, on odd sizes too; and bit-equality of rows whatever their
// company.
#include "kernels/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include "kernels/bfloat16.h"

namespace orrery::kernels {
namespace {

constexpr Isa kAll[] = {Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx};

// Activations in a back end's type, padded as kernels.h asks for, aligned to 64 bytes.
class Activations {
 public:
  Activations(Type type, int rows, int width)
      : type_(type),
        stride_(PaddedWidth(width)),
        bytes_(static_cast<size_t>(PaddedRows(rows)) * stride_ * Size(type) + 64) {}

  void* row(int r) {
    auto* base = reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(bytes_.data()) + 63) / 64 * 64);
    return base + static_cast<size_t>(r) * stride_ * Size(type_);
  }
  float Get(int r, int i) {
    return type_ == Type::kFloat32 ? static_cast<float*>(row(r))[i] : FromBfloat16(static_cast<uint16_t*>(row(r))[i]);
  }
  void Put(int r, int i, float value) {
    if (type_ == Type::kFloat32) {
      static_cast<float*>(row(r))[i] = value;
    } else {
      static_cast<uint16_t*>(row(r))[i] = ToBfloat16(value);
    }
  }

 private:
  Type type_;
  int stride_;
  std::vector<uint8_t> bytes_;
};

std::vector<float> Normal(size_t count, uint32_t seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

class KernelsTest : public ::testing::TestWithParam<std::tuple<Isa, Type>> {
 protected:
  void SetUp() override {
    const auto [isa, type] = GetParam();
    if (isa > HostIsa()) GTEST_SKIP() << "this processor (or ONEDNN_MAX_CPU_ISA) has no " << Name(isa);
    cpu_ = Backend::Create(isa, type);
    reference_ = Backend::Create(Isa::kReference, type);
    // One rounding of the stored type, relative to the size of what is summed.
    tolerance_ = type == Type::kFloat32 ? 2e-6f : 8e-3f;
  }
  Type type() const { return std::get<1>(GetParam()); }

  std::unique_ptr<Backend> cpu_, reference_;
  float tolerance_ = 0;
};

std::unique_ptr<Matrix> Packed(const Backend& backend, int n, int k, const std::vector<float>& w) {
  auto matrix = backend.NewMatrix(n, k);
  for (int b = 0; b < matrix->blocks(); ++b) matrix->Pack(b, &w[static_cast<size_t>(b) * matrix->block_columns() * k]);
  return matrix;
}

// [rows][n] of the whole product.
std::vector<float> Product(const Matrix& matrix, Activations& x, int first, int rows) {
  std::vector<float> y(static_cast<size_t>(rows) * matrix.n());
  const int width = matrix.block_columns();
  for (int b = 0; b < matrix.blocks(); ++b) {
    std::vector<float> block(static_cast<size_t>(PaddedRows(rows)) * width, std::numeric_limits<float>::quiet_NaN());
    matrix.Multiply(b, x.row(first), rows, block.data(), width);
    for (int r = 0; r < rows; ++r) {
      std::copy_n(&block[static_cast<size_t>(r) * width], matrix.columns(b),
                  &y[static_cast<size_t>(r) * matrix.n() + b * width]);
    }
  }
  return y;
}

TEST_P(KernelsTest, ProductsAgreeWithTheReference) {
  for (const auto& [rows, n, k] : {std::tuple{1, 1, 1},
                                   {3, 5, 7},
                                   {16, 32, 32},
                                   {17, 33, 31},
                                   {33, 100, 65},
                                   {70, 257, 130},
                                   {5, 4200, 48},
                                   {70, 65, 2100}}) {
    const auto w = Normal(static_cast<size_t>(n) * k, 1), values = Normal(static_cast<size_t>(rows) * k, 2);
    Activations x(type(), rows, k);
    for (int r = 0; r < rows; ++r) {
      for (int i = 0; i < k; ++i) x.Put(r, i, values[static_cast<size_t>(r) * k + i]);
    }
    const auto expected = Product(*Packed(*reference_, n, k, w), x, 0, rows),
               actual = Product(*Packed(*cpu_, n, k, w), x, 0, rows);
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(actual[i], expected[i], 2e-6 * k + 1e-6) << rows << "x" << n << "x" << k << " at " << i;
    }
  }
}

TEST_P(KernelsTest, RowsInTilesGiveTheSameBits) {
  if (!cpu_->NewMatrix(1, 1)->takes_tiles()) GTEST_SKIP() << "no tiles here";
  for (const auto& [rows, n, k] : {std::tuple{1, 5, 7}, {16, 32, 32}, {50, 100, 65}, {70, 257, 130}, {100, 65, 2100}}) {
    const auto matrix = Packed(*cpu_, n, k, Normal(static_cast<size_t>(n) * k, 1));
    const auto values = Normal(static_cast<size_t>(rows) * k, 2);
    Activations x(type(), PaddedRows(rows), k);
    for (int r = 0; r < rows; ++r) {
      for (int i = 0; i < k; ++i) x.Put(r, i, values[static_cast<size_t>(r) * k + i]);
    }
    const int padded = PaddedWidth(k), width = matrix->block_columns();
    std::vector<uint16_t> tiles(static_cast<size_t>(PaddedRows(rows)) * padded);
    for (int first = 0; first < rows; first += kRowTile)
      TileRows(static_cast<const uint16_t*>(x.row(0)), padded, first, tiles.data());
    EXPECT_EQ(tiles[TileIndex(padded, rows - 1, k - 1)], static_cast<const uint16_t*>(x.row(rows - 1))[k - 1]);
    const auto expected = Product(*matrix, x, 0, rows);
    std::vector<float> y(static_cast<size_t>(PaddedRows(rows)) * width);
    for (int b = 0; b < matrix->blocks(); ++b) {
      matrix->MultiplyTiles(b, tiles.data(), rows, y.data(), width);
      for (int r = 0; r < rows; ++r) {
        for (int c = 0; c < matrix->columns(b); ++c) {
          const size_t at = static_cast<size_t>(r) * n + static_cast<size_t>(b) * width + c;
          ASSERT_EQ(y[static_cast<size_t>(r) * width + c], expected[at])
              << rows << "x" << n << "x" << k << " at " << at;
        }
      }
    }
  }
}

TEST_P(KernelsTest, PackingTheTransposeIsPackingTheMatrix) {
  for (const auto& [n, k, depth] :
       {std::tuple{1, 1, 1}, {33, 31, 31}, {100, 65, 60}, {257, 130, 130}, {65, 512, 300}}) {
    auto w = Normal(static_cast<size_t>(n) * k, 21);
    w[0] = std::numeric_limits<float>::denorm_min();
    const int stride = n + 3;
    std::vector<float> transposed(static_cast<size_t>(depth) * stride);
    std::vector<uint16_t> rounded(transposed.size());
    for (int c = 0; c < n; ++c) {
      for (int i = 0; i < k; ++i) {
        float& value = w[static_cast<size_t>(c) * k + i];
        if (i >= depth) value = 0;
        if (i < depth) transposed[static_cast<size_t>(i) * stride + c] = value;
      }
    }
    for (size_t i = 0; i < rounded.size(); ++i) rounded[i] = ToBfloat16(transposed[i]);
    Activations x(type(), 20, k);
    const auto values = Normal(static_cast<size_t>(20) * k, 22);
    for (int r = 0; r < 20; ++r) {
      for (int i = 0; i < k; ++i) x.Put(r, i, values[static_cast<size_t>(r) * k + i]);
    }
    const auto expected = Product(*Packed(*cpu_, n, k, w), x, 0, 20);
    const auto from_floats = cpu_->NewMatrix(n, k), from_rounded = cpu_->NewMatrix(n, k);
    for (int b = 0; b < from_floats->blocks(); ++b) {
      from_floats->PackColumns(b, transposed.data(), Type::kFloat32, stride, depth);
      from_rounded->PackColumns(b, rounded.data(), Type::kBfloat16, stride, depth);
    }
    EXPECT_EQ(Product(*from_floats, x, 0, 20), expected) << n << "x" << k;
    if (type() == Type::kBfloat16) {
      EXPECT_EQ(Product(*from_rounded, x, 0, 20), expected) << n << "x" << k;
    }
  }
}

TEST_P(KernelsTest, ARowOfAProductDoesNotDependOnItsCompany) {
  constexpr int kRows = 150, kN = 224;
  for (const int k : {608, 2400}) {
    const auto w = Normal(static_cast<size_t>(kN) * k, 3, 0.05f), values = Normal(static_cast<size_t>(kRows) * k, 4);
    Activations x(type(), kRows + 16, k);
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < k; ++i) x.Put(r, i, values[static_cast<size_t>(r) * k + i]);
    }
    const auto matrix = Packed(*cpu_, kN, k, w);
    const auto all = Product(*matrix, x, 0, kRows);
    for (const auto& [first, rows] :
         {std::pair{0, 1}, {1, 1}, {7, 1}, {149, 1}, {0, 16}, {3, 17}, {5, 31}, {60, 64}, {11, 65}, {2, 100}}) {
      const auto part = Product(*matrix, x, first, rows);
      ASSERT_EQ(std::memcmp(part.data(), &all[static_cast<size_t>(first) * kN], part.size() * sizeof(float)), 0)
          << rows << " rows from " << first << ", " << k << " deep";
    }
  }
}

TEST_P(KernelsTest, RmsNormAgrees) {
  for (const int width : {1, 15, 16, 33, 576, 896}) {
    const auto x = Normal(width, 5), gain = Normal(width, 6);
    Activations expected(type(), 1, width), actual(type(), 1, width);
    reference_->RmsNorm(x.data(), gain.data(), width, 1e-6f, expected.row(0));
    cpu_->RmsNorm(x.data(), gain.data(), width, 1e-6f, actual.row(0));
    for (int i = 0; i < width; ++i) {
      ASSERT_NEAR(actual.Get(0, i), expected.Get(0, i), tolerance_ * (1 + std::abs(expected.Get(0, i))))
          << width << " " << i;
    }
  }
}

TEST_P(KernelsTest, SwiGluAgrees) {
  for (const auto& [count, block] : {std::pair{16, 16}, {64, 16}, {96, 32}, {6, 3}}) {
    auto gate_up = Normal(static_cast<size_t>(count) * 2, 7, 4);
    gate_up[0] = -100;  // far outside the exponential's range
    gate_up[1] = 100;
    Activations expected(type(), 1, count), actual(type(), 1, count);
    reference_->SwiGlu(gate_up.data(), count, block, expected.row(0));
    cpu_->SwiGlu(gate_up.data(), count, block, actual.row(0));
    for (int i = 0; i < count; ++i) {
      ASSERT_NEAR(actual.Get(0, i), expected.Get(0, i), tolerance_ * (1 + std::abs(expected.Get(0, i))))
          << count << " " << i;
    }
  }
}

TEST_P(KernelsTest, RopeTurnsPairs) {
  for (const RopePairs pairs : {RopePairs::kHalves, RopePairs::kInterleaved}) {
    auto expected = Normal(3 * 32, 8), actual = expected;
    std::vector<float> cosine(16), sine(16);
    for (int i = 0; i < 16; ++i) {
      cosine[i] = std::cos(0.3f * static_cast<float>(i));
      sine[i] = std::sin(0.3f * static_cast<float>(i));
    }
    reference_->Rope(expected.data(), 3, 32, pairs, cosine.data(), sine.data());
    cpu_->Rope(actual.data(), 3, 32, pairs, cosine.data(), sine.data());
    EXPECT_EQ(actual, expected);
    // A quarter turn of the second pair only.
    std::vector<float> x(32, 0), c(16, 1), s(16, 0);
    const int a = pairs == RopePairs::kHalves ? 1 : 2, b = pairs == RopePairs::kHalves ? 17 : 3;
    x[a] = 5;
    c[1] = 0;
    s[1] = 1;
    cpu_->Rope(x.data(), 1, 32, pairs, c.data(), s.data());
    EXPECT_EQ(x[a], 0);
    EXPECT_EQ(x[b], 5);
  }
}

// Sequences of which some share pages, in pages of one back end.
struct Attended {
  Attended(const Backend& backend, const AttentionShape& shape, const std::vector<int>& lengths, int shared_pages)
      : backend(backend), shape(shape), lengths(lengths.begin(), lengths.end()), page_bytes(backend.PageBytes(shape)) {
    int next = 0;
    for (size_t s = 0; s < lengths.size(); ++s) {
      std::vector<int32_t> table;
      for (int p = 0; p < (lengths[s] + kPageTokens - 1) / kPageTokens; ++p) {
        table.push_back(s > 0 && p < shared_pages ? tables[0][p] : next++);
      }
      tables.push_back(table);
    }
    kv.resize(page_bytes * next);
    const size_t width = static_cast<size_t>(shape.kv_heads) * shape.head_dim;
    for (size_t s = 0; s < lengths.size(); ++s) {
      for (int t = 0; t < lengths[s]; ++t) {
        const bool shared = t / kPageTokens < shared_pages;
        const auto k = Normal(width, 1000 + t + (shared ? 0 : 997 * s)),
                   v = Normal(width, 5000 + t + (shared ? 0 : 997 * s));
        backend.WriteKv(shape, k.data(), v.data(), &kv[tables[s][t / kPageTokens] * page_bytes], t % kPageTokens);
      }
    }
  }

  // Rows first … last − 1 attend in one call per head; queries are fixed by the row.
  Activations Run(int first, int last) {
    const int rows = last - first, width = shape.heads * shape.head_dim;
    Activations out(backend.type(), rows, width);
    std::vector<float> q;
    std::vector<const int32_t*> pages;
    for (int r = first; r < last; ++r) {
      const auto row = Normal(width, 9000 + r);
      q.insert(q.end(), row.begin(), row.end());
      pages.push_back(tables[r].data());
    }
    AttentionRows input;
    input.q = q.data();
    input.q_stride = width;
    input.out = out.row(0);
    input.pages = pages.data();
    input.lengths = lengths.data() + first;
    input.window = window;
    input.rows = rows;
    input.kv = kv.data();
    input.kv_stride = page_bytes;
    for (int h = 0; h < shape.kv_heads; ++h) backend.Attend(shape, input, h, 0, rows);
    return out;
  }

  const Backend& backend;
  AttentionShape shape;
  std::vector<int32_t> lengths;
  int window = 0;
  size_t page_bytes;
  std::vector<std::vector<int32_t>> tables;
  std::vector<uint8_t> kv;
};

constexpr AttentionShape kShapes[] = {{14, 2, 64}, {9, 3, 64}, {2, 2, 16}, {4, 1, 128}, {3, 1, 48}};

TEST_P(KernelsTest, AttentionAgreesWithTheReference) {
  const std::vector<int> lengths = {100, 97, 96, 65, 64, 33, 32, 31, 16, 2, 1};
  for (const AttentionShape& shape : kShapes) {
    Attended expected(*reference_, shape, lengths, 2), actual(*cpu_, shape, lengths, 2);
    auto want = expected.Run(0, static_cast<int>(lengths.size())),
         got = actual.Run(0, static_cast<int>(lengths.size()));
    // Tiles also round queries and weights to bfloat16.
    const float near = type() == Type::kFloat32 ? 3e-6f : 3e-2f;
    for (size_t r = 0; r < lengths.size(); ++r) {
      for (int i = 0; i < shape.heads * shape.head_dim; ++i) {
        ASSERT_NEAR(got.Get(r, i), want.Get(r, i), near * (1 + std::abs(want.Get(r, i))))
            << "row " << r << " element " << i;
      }
    }
  }
}

TEST_P(KernelsTest, AttentionInAWindowAgreesWithTheReference) {
  const std::vector<int> lengths = {100, 97, 96, 65, 64, 33, 32, 31, 16, 2, 1};
  const AttentionShape shape = {14, 2, 64};
  for (const int window : {1, 5, 16, 31, 32, 33, 63, 64, 99}) {
    Attended expected(*reference_, shape, lengths, 2), actual(*cpu_, shape, lengths, 2);
    auto all = actual.Run(0, static_cast<int>(lengths.size()));
    expected.window = actual.window = window;
    auto want = expected.Run(0, static_cast<int>(lengths.size())),
         got = actual.Run(0, static_cast<int>(lengths.size()));
    const float near = type() == Type::kFloat32 ? 3e-6f : 3e-2f;
    for (size_t r = 0; r < lengths.size(); ++r) {
      for (int i = 0; i < shape.heads * shape.head_dim; ++i) {
        ASSERT_NEAR(got.Get(r, i), want.Get(r, i), near * (1 + std::abs(want.Get(r, i))))
            << "window " << window << " row " << r << " element " << i;
      }
      const size_t bytes = static_cast<size_t>(14) * 64 * Size(type());
      EXPECT_EQ(std::memcmp(got.row(r), all.row(r), bytes) == 0, lengths[r] <= window) << window << " row " << r;
      auto alone = actual.Run(static_cast<int>(r), static_cast<int>(r) + 1);
      EXPECT_EQ(std::memcmp(got.row(r), alone.row(0), bytes), 0) << window << " row " << r;
    }
  }
}

TEST_P(KernelsTest, ARowOfAttentionDoesNotDependOnItsCompany) {
  std::vector<int> lengths;
  for (int r = 0; r < 50; ++r) lengths.push_back(70 + r * 3 % 40);
  const AttentionShape shape = {14, 2, 64};
  Attended attended(*cpu_, shape, lengths, 2);
  auto all = attended.Run(0, 50);
  for (const auto& [first, last] : {std::pair{0, 1}, {17, 18}, {49, 50}, {3, 40}, {30, 50}}) {
    auto part = attended.Run(first, last);
    for (int r = first; r < last; ++r) {
      ASSERT_EQ(std::memcmp(part.row(r - first), all.row(r), static_cast<size_t>(14) * 64 * Size(type())), 0)
          << "row " << r;
    }
  }
}

TEST_P(KernelsTest, ACopiedPageHoldsTheSameTokensAndZerosBeyond) {
  const AttentionShape shape = {4, 2, 64};
  Attended attended(*cpu_, shape, {32}, 0);
  std::vector<uint8_t> copy(attended.page_bytes, 0xff), built(attended.page_bytes);
  cpu_->CopyKv(shape, attended.kv.data(), copy.data(), 11);
  for (int t = 0; t < 11; ++t)
    cpu_->WriteKv(shape, Normal(128, 1000 + t).data(), Normal(128, 5000 + t).data(), built.data(), t);
  EXPECT_EQ(copy, built);
}

TEST_P(KernelsTest, SumsOverLogits) {
  for (const int count : {1, 17, 1024, 5000}) {
    auto logits = Normal(count, 11, 5);
    logits[count / 2] = 40;
    if (count > 20) logits[count / 2 + 3] = 40;  // a tie: the lower index
    const auto peak = cpu_->Maximum(logits.data(), count);
    EXPECT_EQ(peak.value, 40);
    EXPECT_EQ(peak.index, count / 2);
    const double expected = reference_->SumExp(logits.data(), count, 40, 0.7f);
    EXPECT_NEAR(cpu_->SumExp(logits.data(), count, 40, 0.7f), expected, expected * 2e-6);
    std::vector<float> want(count), got(count);
    reference_->Exp(logits.data(), count, 40, 0.7f, want.data());
    cpu_->Exp(logits.data(), count, 40, 0.7f, got.data());
    for (int i = 0; i < count; ++i) ASSERT_NEAR(got[i], want[i], 1e-5f * want[i] + 1e-37f);  // rounding of the exponent
  }
}

INSTANTIATE_TEST_SUITE_P(BackEnds, KernelsTest,
                         ::testing::Combine(::testing::ValuesIn(kAll),
                                            ::testing::Values(Type::kFloat32, Type::kBfloat16)),
                         [](const auto& info) {
                           std::string name(Name(std::get<0>(info.param)));
                           std::erase(name, '-');
                           return name + (std::get<1>(info.param) == Type::kFloat32 ? "_float32" : "_bfloat16");
                         });

TEST(Vectors, Avx2AndAvx512GiveTheSameBits) {
  if (HostIsa() < Isa::kAvx512) GTEST_SKIP() << "no AVX-512 here";
  const auto narrow = Backend::Create(Isa::kAvx2, Type::kBfloat16),
             wide = Backend::Create(Isa::kAvx512, Type::kBfloat16);
  const auto logits = Normal(3001, 12, 6);
  EXPECT_EQ(narrow->SumExp(logits.data(), 3001, 20, 1), wide->SumExp(logits.data(), 3001, 20, 1));
  const std::vector<int> lengths = {77, 40, 1};
  Attended a(*narrow, {14, 2, 64}, lengths, 1), b(*wide, {14, 2, 64}, lengths, 1);
  auto from_narrow = a.Run(0, 3), from_wide = b.Run(0, 3);
  EXPECT_EQ(std::memcmp(from_narrow.row(0), from_wide.row(0), 3 * 14 * 64 * 2), 0);
}

}  // namespace
}  // namespace orrery::kernels
