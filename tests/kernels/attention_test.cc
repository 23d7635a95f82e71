// SPDX-License-Identifier: Apache-2.0
// Attention over pages: every back end this processor allows against the reference; and bit-equality of rows whatever
// their company.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/kernels.h"
#include "tests/kernels/back_ends.h"

namespace orrery::kernels {
namespace {

using AttentionTest = BackEndTest;

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

TEST_P(AttentionTest, AttentionAgreesWithTheReference) {
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

TEST_P(AttentionTest, AttentionInAWindowAgreesWithTheReference) {
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

TEST_P(AttentionTest, ARowOfAttentionDoesNotDependOnItsCompany) {
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

TEST_P(AttentionTest, ACopiedPageHoldsTheSameTokensAndZerosBeyond) {
  const AttentionShape shape = {4, 2, 64};
  Attended attended(*cpu_, shape, {32}, 0);
  std::vector<uint8_t> copy(attended.page_bytes, 0xff), built(attended.page_bytes);
  cpu_->CopyKv(shape, attended.kv.data(), copy.data(), 11);
  for (int t = 0; t < 11; ++t)
    cpu_->WriteKv(shape, Normal(128, 1000 + t).data(), Normal(128, 5000 + t).data(), built.data(), t);
  EXPECT_EQ(copy, built);
}

INSTANTIATE_TEST_SUITE_P(BackEnds, AttentionTest, kBackEnds, BackEndName);

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
