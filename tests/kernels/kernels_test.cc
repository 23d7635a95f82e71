// SPDX-License-Identifier: Apache-2.0
// Products and the operations on rows: every back end this processor allows against the reference, on odd sizes too;
// and bit-equality of rows whatever their company.
#include "kernels/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tests/kernels/back_ends.h"

namespace orrery::kernels {
namespace {

using KernelsTest = BackEndTest;

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

TEST_P(KernelsTest, ArrangedRowsGiveTheSameBits) {
  const RowLayout layout = cpu_->NewMatrix(1, 1)->layout();
  if (layout == RowLayout::kPlain) GTEST_SKIP() << "rows are best as they are";
  for (const auto& [rows, n, k] : {std::tuple{1, 5, 7}, {16, 32, 32}, {50, 100, 65}, {70, 257, 130}, {100, 65, 2100}}) {
    const auto matrix = Packed(*cpu_, n, k, Normal(static_cast<size_t>(n) * k, 1));
    const auto values = Normal(static_cast<size_t>(rows) * k, 2);
    Activations x(type(), PaddedRows(rows), k);
    for (int r = 0; r < rows; ++r) {
      for (int i = 0; i < k; ++i) x.Put(r, i, values[static_cast<size_t>(r) * k + i]);
    }
    const int padded = PaddedWidth(k), width = matrix->block_columns();
    std::vector<uint8_t> room(static_cast<size_t>(PaddedRows(rows)) * ArrangedRowBytes(layout, padded) + 64);
    auto* arranged = reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(room.data()) + 63) / 64 * 64);
    for (int first = 0; first < rows; first += kRowTile)
      ArrangeRows(layout, static_cast<const uint16_t*>(x.row(0)), padded, first, arranged);
    const float last = layout == RowLayout::kTiles
                           ? FromBfloat16(reinterpret_cast<uint16_t*>(arranged)[TileIndex(padded, rows - 1, k - 1)])
                           : reinterpret_cast<float*>(arranged)[static_cast<size_t>(rows - 1) * padded + k - 1];
    EXPECT_EQ(last, x.Get(rows - 1, k - 1));
    const auto expected = Product(*matrix, x, 0, rows);
    std::vector<float> y(static_cast<size_t>(PaddedRows(rows)) * width);
    for (int b = 0; b < matrix->blocks(); ++b) {
      matrix->Multiply(b, {arranged, true}, rows, y.data(), width);
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

INSTANTIATE_TEST_SUITE_P(BackEnds, KernelsTest, kBackEnds, BackEndName);

}  // namespace
}  // namespace orrery::kernels
