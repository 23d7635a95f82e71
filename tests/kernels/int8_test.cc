// SPDX-License-Identifier: Apache-2.0
// Products in int8 are exact, so every instruction set gives the reference's bits, for any row in any company.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <tuple>
#include <vector>

#include "kernels/bfloat16.h"
#include "kernels/kernels.h"

namespace orrery::kernels {
namespace {

std::vector<float> Normal(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

class Int8Test : public ::testing::TestWithParam<std::tuple<Isa, Type>> {
 protected:
  void SetUp() override {
    const auto [isa, type] = GetParam();
    if (isa > HostIsa()) GTEST_SKIP() << "this processor (or ONEDNN_MAX_CPU_ISA) has no " << Name(isa);
    cpu_ = Backend::Create(isa, type, WeightType::kInt8);
    reference_ = Backend::Create(Isa::kReference, type, WeightType::kInt8);
  }

  // Rows of `width` values as `backend` quantises them, with room for whole tiles.
  std::vector<uint8_t> Quantise(const Backend& backend, const std::vector<float>& values, int width) const {
    const int rows = static_cast<int>(values.size()) / width;
    std::vector<uint8_t> out(PaddedRows(rows) * QuantisedStride(width));
    for (int r = 0; r < rows; ++r) {
      const float* row = &values[static_cast<size_t>(r) * width];
      std::vector<uint16_t> rounded(width);
      for (int i = 0; i < width; ++i) rounded[i] = ToBfloat16(row[i]);
      uint8_t* to = &out[r * QuantisedStride(width)];
      backend.type() == Type::kFloat32 ? backend.Quantise(row, width, to) : backend.Quantise(rounded.data(), width, to);
      std::memset(to + QuantisedValues(width) + 8, 0, 56);  // nobody's
    }
    return out;
  }

  std::unique_ptr<Backend> cpu_, reference_;
};

std::unique_ptr<Matrix> Packed(const Backend& backend, int n, int k, const std::vector<float>& w) {
  auto matrix = backend.NewMatrix(n, k);
  EXPECT_EQ(matrix->type(), WeightType::kInt8);
  for (int b = 0; b < matrix->blocks(); ++b) matrix->Pack(b, &w[static_cast<size_t>(b) * matrix->block_columns() * k]);
  return matrix;
}

// [rows][n] of the whole product.
std::vector<float> Product(const Matrix& matrix, const uint8_t* x, int rows) {
  std::vector<float> y(static_cast<size_t>(rows) * matrix.n());
  const int width = matrix.block_columns();
  for (int b = 0; b < matrix.blocks(); ++b) {
    std::vector<float> block(static_cast<size_t>(PaddedRows(rows)) * width);
    matrix.Multiply(b, x, rows, block.data(), width);
    for (int r = 0; r < rows; ++r)
      std::copy_n(&block[static_cast<size_t>(r) * width], matrix.columns(b),
                  &y[static_cast<size_t>(r) * matrix.n() + b * width]);
  }
  return y;
}

TEST_P(Int8Test, RowsAreQuantisedAsTheReferenceDoes) {
  for (const int width : {1, 7, 8, 33, 64, 65, 896}) {
    auto values = Normal(static_cast<size_t>(width) * 4, 1);
    for (int i = 0; i < width; ++i) values[i] = 0;                           // a row of zeros
    for (int i = width; i < 2 * width; ++i) values[i] *= 1e-30f;             // tiny
    for (int i = 2 * width; i < 3 * width; ++i) values[i] = i % 2 ? -3 : 3;  // all at the border
    EXPECT_EQ(Quantise(*cpu_, values, width), Quantise(*reference_, values, width)) << width;
  }
}

TEST_P(Int8Test, ProductsHaveTheReferencesBitsWhateverTheCompany) {
  for (const auto& [rows, n, k] : {std::tuple{1, 1, 1},
                                   {3, 5, 7},
                                   {16, 32, 64},
                                   {17, 33, 63},
                                   {33, 100, 65},
                                   {70, 257, 130},
                                   {5, 4200, 48},
                                   {70, 65, 4864}}) {
    const auto w = Normal(static_cast<size_t>(n) * k, 2);
    const auto x = Quantise(*reference_, Normal(static_cast<size_t>(rows) * k, 3), k);
    const auto matrix = Packed(*cpu_, n, k, w);
    const auto expected = Product(*Packed(*reference_, n, k, w), x.data(), rows);
    EXPECT_EQ(Product(*matrix, x.data(), rows), expected) << rows << "x" << n << "x" << k;
    for (const int alone : {0, rows / 2, rows - 1}) {
      std::vector<uint8_t> row(PaddedRows(1) * QuantisedStride(k), 0x55);
      std::copy_n(&x[alone * QuantisedStride(k)], QuantisedStride(k), row.data());
      EXPECT_EQ(Product(*matrix, row.data(), 1),
                std::vector<float>(expected.begin() + alone * n, expected.begin() + (alone + 1) * n))
          << "row " << alone << " of " << rows << "x" << n << "x" << k;
    }
  }
}

TEST_P(Int8Test, TheProductIsNearTheExactOne) {
  constexpr int kRows = 20, kN = 48, kK = 896;
  const auto w = Normal(static_cast<size_t>(kN) * kK, 4), values = Normal(static_cast<size_t>(kRows) * kK, 5);
  const auto x = Quantise(*cpu_, values, kK);
  const auto y = Product(*Packed(*cpu_, kN, kK, w), x.data(), kRows);
  double error = 0, size = 0;
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kN; ++c) {
      double sum = 0;
      for (int i = 0; i < kK; ++i) sum += double{values[r * kK + i]} * w[c * kK + i];
      error += (y[r * kN + c] - sum) * (y[r * kN + c] - sum);
      size += sum * sum;
    }
  }
  // Two roundings of a 256th of about 6.5 standard deviations each: a relative error of about 0.01.
  EXPECT_LT(std::sqrt(error / size), 0.015);
  EXPECT_GT(std::sqrt(error / size), 0.005);
}

INSTANTIATE_TEST_SUITE_P(BackEnds, Int8Test,
                         ::testing::Combine(::testing::Values(Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx),
                                            ::testing::Values(Type::kFloat32, Type::kBfloat16)),
                         [](const auto& info) {
                           std::string name(Name(std::get<0>(info.param)));
                           std::erase(name, '-');
                           return name + (std::get<1>(info.param) == Type::kFloat32 ? "_float32" : "_bfloat16");
                         });

}  // namespace
}  // namespace orrery::kernels
