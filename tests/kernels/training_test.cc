// SPDX-License-Identifier: Apache-2.0
// A training step's operations: the reference's gradients against differences of its own forward operations, every
// back end that this processor allows against the reference, and equal bits on any number of threads.
#include "kernels/training.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <tuple>

#include "kernels/bfloat16.h"
#include "tests/kernels/training_cases.h"

namespace orrery::kernels {
namespace {

// One back end with its threads.
struct Ops {
  Ops(Isa isa, Type type, int threads) : backend(Backend::Create(isa, type)), pool(threads) {
    ops = TrainingOps::Create(*backend, pool);
  }
  TrainingOps* operator->() const { return ops.get(); }

  RowsBuffer Rows(const Floats& values, int width) const {
    const int rows = static_cast<int>(values.size()) / width;
    RowsBuffer buffer(ops->type(), rows, width);
    ops->Round(values.data(), width, rows, buffer);
    return buffer;
  }

  std::unique_ptr<Backend> backend;
  ThreadPool pool;
  std::unique_ptr<TrainingOps> ops;
};

double Dot(const Floats& a, const Floats& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

constexpr int kRows = kCaseRows, kQkv = kCaseQkv, kWidth = kCaseWidth;
constexpr AttentionShape kShape = kCaseShape;
const Sequences kSequences = {kCaseBegins};

std::vector<TrainingResult> Everything(Isa isa, Type type, int threads) {
  return RunTrainingCases(*Ops(isa, type, threads).ops);
}

class TrainingTest : public ::testing::TestWithParam<std::tuple<Isa, Type>> {
 protected:
  void SetUp() override {
    if (std::get<0>(GetParam()) > HostIsa()) GTEST_SKIP() << "this processor has no " << Name(std::get<0>(GetParam()));
  }
};

TEST_P(TrainingTest, AgreesWithTheReference) {
  const auto [isa, type] = GetParam();
  const auto expected = Everything(Isa::kReference, type, 1), actual = Everything(isa, type, 1);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto& [name, product, want] = expected[i];
    const Floats& got = actual[i].values;
    ASSERT_EQ(got.size(), want.size()) << name;
    for (size_t j = 0; j < want.size(); ++j) {
      const float near = type == Type::kFloat32 ? 2e-5f : 1e-2f;
      ASSERT_NEAR(got[j], want[j], near * (1 + std::abs(want[j]))) << name << " at " << j;
    }
  }
}

TEST_P(TrainingTest, HasTheSameBitsOnAnyNumberOfThreads) {
  const auto [isa, type] = GetParam();
  const auto one = Everything(isa, type, 1), three = Everything(isa, type, 3);
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(std::memcmp(one[i].values.data(), three[i].values.data(), one[i].values.size() * sizeof(float)), 0)
        << one[i].name;
  }
}

INSTANTIATE_TEST_SUITE_P(BackEnds, TrainingTest,
                         ::testing::Combine(::testing::Values(Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx),
                                            ::testing::Values(Type::kFloat32, Type::kBfloat16)),
                         [](const auto& info) {
                           std::string name(Name(std::get<0>(info.param)));
                           std::erase(name, '-');
                           return name + (std::get<1>(info.param) == Type::kFloat32 ? "_float32" : "_bfloat16");
                         });

// ---- the reference's gradients against differences

class DifferencesTest : public ::testing::Test {
 protected:
  // Compares `gradient` with differences of Σ c·out over the inputs, at some of them.
  template <class Loss>
  static void Check(const std::string& name, Floats inputs, const Floats& gradient, Loss loss) {
    constexpr float kStep = 1e-2f;
    ASSERT_EQ(inputs.size(), gradient.size());
    double largest = 0;
    for (const float g : gradient) largest = std::max(largest, std::abs(double{g}));
    for (size_t i = 0; i < inputs.size(); i += 1 + inputs.size() / 60) {
      const float value = inputs[i];
      inputs[i] = value + kStep;
      const double above = loss(inputs);
      inputs[i] = value - kStep;
      const double below = loss(inputs);
      inputs[i] = value;
      EXPECT_NEAR((above - below) / (2 * kStep), gradient[i], 2e-3 * (1 + largest)) << name << " at " << i;
    }
  }

  Ops ops_{Isa::kReference, Type::kFloat32, 1};
};

TEST_F(DifferencesTest, OfTheNorm) {
  const auto x = NormalFloats(kRows * kWidth, 51), gain = NormalFloats(kWidth, 52),
             c = NormalFloats(kRows * kWidth, 53);
  const auto loss = [&](const Floats& x_now, const Floats& gain_now) {
    RowsBuffer out(Type::kFloat32, kRows, kWidth);
    ops_->RmsNorm(x_now.data(), gain_now.data(), kWidth, 1e-5f, kRows, out);
    return Dot(Values(*ops_.ops, out, kRows), c);
  };
  Floats dx(x.size()), dgain(gain.size());
  ops_->RmsNormGradient(x.data(), gain.data(), kWidth, 1e-5f, kRows, c.data(), dx.data(), dgain.data());
  Check("x", x, dx, [&](const Floats& now) { return loss(now, gain); });
  Check("gain", gain, dgain, [&](const Floats& now) { return loss(x, now); });
}

TEST_F(DifferencesTest, OfAttention) {
  for (const int window : {0, 5}) {
    const auto qkv = NormalFloats(kRows * kQkv, 61), c = NormalFloats(kRows * 96, 62);
    Floats out(kRows * 96), sums(kRows * 6), dqkv(kRows * kQkv);
    const auto loss = [&](const Floats& now) {
      Floats at(kRows * 96), scratch(kRows * 6);
      ops_->Attend(kShape, kSequences, window, now.data(), at.data(), scratch.data());
      return Dot(at, c);
    };
    loss(qkv);
    ops_->Attend(kShape, kSequences, window, qkv.data(), out.data(), sums.data());
    ops_->AttendGradient(kShape, kSequences, window, qkv.data(), out.data(), sums.data(), c.data(), dqkv.data());
    Check("qkv", qkv, dqkv, loss);
  }
}

TEST_F(DifferencesTest, BranchesAreSequencesThatShareTheirPrefix) {
  const CaseTree tree;
  const auto qkv = NormalFloats(kRows * kQkv, 63);
  auto dout = NormalFloats(kRows * 96, 64);
  for (int i = 7 * 96; i < 37 * 96; ++i) dout[i] = 0;  // the prefix's own gradient is not one of each branch
  Floats cosine(64 * 8), sine(64 * 8);
  for (size_t i = 0; i < cosine.size(); ++i) cosine[i] = std::cos(0.1f * i), sine[i] = std::sin(0.1f * i);
  const auto run = [&](const Sequences& sequences, Floats in, const Floats& gradient) {
    const int rows = sequences.begins.back();
    Floats out(rows * 96), sums(rows * 6), dqkv(rows * kQkv);
    ops_->Rope(sequences, 8, 16, RopePairs::kHalves, cosine.data(), sine.data(), false, in.data(), kQkv);
    ops_->Attend(kShape, sequences, 0, in.data(), out.data(), sums.data());
    ops_->AttendGradient(kShape, sequences, 0, in.data(), out.data(), sums.data(), gradient.data(), dqkv.data());
    ops_->Rope(sequences, 8, 16, RopePairs::kHalves, cosine.data(), sine.data(), true, dqkv.data(), kQkv);
    return std::pair(out, dqkv);
  };
  const auto [out, dqkv] = run(tree.sequences(), qkv, dout);
  Floats summed(30 * kQkv);
  for (const auto& [first, count] : {std::pair{30, 12}, {42, 1}, {43, 20}}) {
    const auto rows = tree.Alone(first, count);
    Floats in, gradient;
    for (const int row : rows) {
      in.insert(in.end(), &qkv[row * kQkv], &qkv[row * kQkv] + kQkv);
      gradient.insert(gradient.end(), &dout[row * 96], &dout[row * 96] + 96);
    }
    const int32_t begins[] = {0, static_cast<int32_t>(rows.size())};
    const auto [alone_out, alone_dqkv] = run({begins}, in, gradient);
    for (size_t r = 0; r < rows.size(); ++r) {
      for (int i = 0; i < 96; ++i) ASSERT_NEAR(alone_out[r * 96 + i], out[rows[r] * 96 + i], 1e-5) << rows[r];
      for (int i = 0; i < kQkv; ++i) {
        const float value = alone_dqkv[r * kQkv + i];
        if (r < 30) {
          summed[r * kQkv + i] += value;
        } else {
          ASSERT_NEAR(value, dqkv[rows[r] * kQkv + i], 1e-5) << rows[r];
        }
      }
    }
  }
  for (int i = 0; i < 30 * kQkv; ++i) ASSERT_NEAR(summed[i], dqkv[7 * kQkv + i], 1e-4) << i;
}

TEST_F(DifferencesTest, OfSwiGlu) {
  const auto gate_up = NormalFloats(kRows * 2 * kWidth, 71, 2), c = NormalFloats(kRows * kWidth, 72);
  Floats gradient(gate_up.size());
  ops_->SwiGluGradient(gate_up.data(), c.data(), kWidth, kRows, gradient.data());
  Check("gate_up", gate_up, gradient, [&](const Floats& now) {
    RowsBuffer out(Type::kFloat32, kRows, kWidth);
    ops_->SwiGlu(now.data(), kWidth, kRows, out);
    return Dot(Values(*ops_.ops, out, kRows), c);
  });
}

TEST_F(DifferencesTest, OfTheLoss) {
  constexpr int kVocabulary = 29;
  const auto logits = NormalFloats(kRows * kVocabulary, 81, 2);
  std::vector<int32_t> targets(kRows);
  const auto weights = NormalFloats(kRows, 82);
  for (int r = 0; r < kRows; ++r) targets[r] = r % kVocabulary;
  RowsBuffer dlogits(Type::kFloat32, kRows, kVocabulary);
  const auto loss = [&](const Floats& now) {
    std::vector<double> losses(kRows);
    ops_->CrossEntropy(now.data(), kVocabulary, targets, weights, losses.data(), &dlogits);
    return std::inner_product(losses.begin(), losses.end(), weights.begin(), 0.0);
  };
  loss(logits);
  const Floats gradient = Values(*ops_.ops, dlogits, kRows);
  Check("logits", logits, gradient, loss);
}

TEST_F(DifferencesTest, OfProducts) {
  constexpr int kN = 30, kK = 20;
  const auto w = NormalFloats(kN * kK, 91), x = NormalFloats(kRows * kK, 92), c = NormalFloats(kRows * kN, 93);
  const auto loss = [&](const Floats& w_now, const Floats& x_now) {
    const auto weight = ops_->NewWeight(kN, kK);
    ops_->SetWeight(*weight, w_now.data());
    Floats y(kRows * kN);
    ops_->Product(*weight, ops_.Rows(x_now, kK), kRows, y.data());
    return Dot(y, c);
  };
  const auto weight = ops_->NewWeight(kN, kK);
  ops_->SetWeight(*weight, w.data());
  Floats dx(x.size()), dw(w.size());
  ops_->ProductInputGradient(*weight, ops_.Rows(c, kN), kRows, false, dx.data());
  ops_->ProductWeightGradient(ops_.Rows(c, kN), ops_.Rows(x, kK), kRows, dw.data());
  Check("x", x, dx, [&](const Floats& now) { return loss(w, now); });
  Check("w", w, dw, [&](const Floats& now) { return loss(now, x); });
}

TEST(Rounding, IsToTheNearestEvenForEveryKindOfNumber) {
  ThreadPool pool(1);
  const auto backend = Backend::Create(HostIsa(), Type::kBfloat16);
  const auto ops = TrainingOps::Create(*backend, pool);
  Floats values = {0.0f, -0.0f, 1.0f, -1.0f, 3.0e38f, -3.4e38f, 1e-45f, -1e-40f, INFINITY, -INFINITY, NAN, -NAN};
  for (uint32_t bits : {0x3f808000u, 0x3f818000u, 0x3f808001u, 0xbf817fffu, 0x7f7fffffu, 0x7f800001u, 0xffffffffu}) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    values.push_back(value);
  }
  const auto more = NormalFloats(64, 5, 1e3f);
  values.insert(values.end(), more.begin(), more.end());
  const int count = static_cast<int>(values.size());
  RowsBuffer rounded(Type::kBfloat16, 1, count);
  ops->Round(values.data(), count, 1, rounded);
  for (int i = 0; i < count; ++i)
    EXPECT_EQ(static_cast<const uint16_t*>(rounded.row(0))[i], ToBfloat16(values[static_cast<size_t>(i)])) << i;
}

TEST_F(DifferencesTest, TurningBackUndoesTurning) {
  const auto x = NormalFloats(kRows * kQkv, 95);
  Floats cosine(64 * 8), sine(64 * 8), turned = x;
  for (size_t i = 0; i < cosine.size(); ++i) {
    cosine[i] = std::cos(0.1f * static_cast<float>(i));
    sine[i] = std::sin(0.1f * static_cast<float>(i));
  }
  for (const RopePairs pairs : {RopePairs::kHalves, RopePairs::kInterleaved}) {
    ops_->Rope(kSequences, 8, 16, pairs, cosine.data(), sine.data(), false, turned.data(), kQkv);
    EXPECT_NE(turned, x);
    ops_->Rope(kSequences, 8, 16, pairs, cosine.data(), sine.data(), true, turned.data(), kQkv);
    for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(turned[i], x[i], 1e-5);
  }
}

}  // namespace
}  // namespace orrery::kernels
