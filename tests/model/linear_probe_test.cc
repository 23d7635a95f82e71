// SPDX-License-Identifier: Apache-2.0
// The linear probe on drawn inputs: it finds the direction that made the pairs, tells that noise teaches nothing, and
// takes nothing from what all texts have in common.
#include "model/training/linear_probe.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "kernels/bfloat16.h"

namespace orrery::model {
namespace {

constexpr size_t kWidth = 24, kTexts = 4;
constexpr double kScale = 1000;  // outputs may be as large as they like

// Uniform in ±√3, of the spread one.
double Drawn(uint64_t stream, size_t number) {
  return std::sqrt(3.0) *
         (2 * RandomStream{9, stream}.Uniform(Purpose::kInitialise, static_cast<uint32_t>(number)) - 1);
}

// Groups of texts whose inputs share a large part; dimension k has the spread 10^(k mod 3). `truth` gives a text's
// worth from its inputs in units of their spread; each pair is said the wrong way round with the probability `lies`.
ProbeData Draw(size_t groups, const std::vector<double>& truth, double lies) {
  ProbeData data{.width = kWidth, .inputs = {}, .groups = {}};
  for (size_t g = 0; g < groups; ++g) {
    ProbeData::Group group{g * kTexts, kTexts, {}};
    std::vector<double> worth;
    for (size_t text = 0; text < kTexts; ++text) {
      worth.push_back(0);
      for (size_t k = 0; k < kWidth; ++k) {
        const double x = Drawn(g * kTexts + text, k), common = 5 * Drawn(1000000 + g, k) + 7;
        worth.back() += truth[k] * x;
        data.inputs.push_back(static_cast<float>(std::pow(10, k % 3) * (x + common)));
      }
    }
    for (int i = 0; i < static_cast<int>(kTexts); ++i) {
      for (int j = 0; j < i; ++j) {
        const bool better =
            (worth[i] > worth[j]) != (std::abs(Drawn(2000000 + g, 100 * i + j)) < lies * std::sqrt(3.0));
        better ? group.pairs.emplace_back(i, j) : group.pairs.emplace_back(j, i);
      }
    }
    data.groups.push_back(group);
  }
  return data;
}

std::vector<double> Truth() {
  std::vector<double> truth(kWidth);
  for (size_t k = 0; k < kWidth; k += 4) truth[k] = k % 8 == 0 ? 1 : -1;
  return truth;
}

double Output(const ProbeData& data, const Probe& probe, size_t text) {
  double sum = 0;
  for (size_t k = 0; k < kWidth; ++k) sum += double{data.inputs[text * kWidth + k]} * probe.weights[k];
  return sum;
}

TEST(LinearProbe, FindsTheDirectionThatMadeThePairs) {
  const ProbeData data = Draw(200, Truth(), 0.1);
  const Probe probe = FitProbe(data, kScale);
  EXPECT_GT(probe.accuracy, 0.83) << "a tenth of the pairs lies";
  EXPECT_LT(probe.loss, 0.5);
  const ProbeData others = Draw(400, Truth(), 0);
  size_t right = 0, pairs = 0;
  for (size_t g = 200; g < 400; ++g) {
    for (const auto& [better, worse] : others.groups[g].pairs) {
      right += Output(others, probe, g * kTexts + better) > Output(others, probe, g * kTexts + worse) ? 1 : 0;
      ++pairs;
    }
  }
  EXPECT_GT(static_cast<double>(right), 0.93 * static_cast<double>(pairs));
}

// Few texts of a small scale are the hard case: what keeps their outputs small must not shift all of them.
TEST(LinearProbe, ItsOutputsAreZeroOnAverage) {
  for (const size_t groups : {size_t{100}, size_t{6}}) {
    const ProbeData data = Draw(groups, Truth(), 0.1);
    for (const double scale : {kScale, 1.0}) {
      const Probe probe = FitProbe(data, scale);
      double sum = 0, squares = 0;
      for (size_t text = 0; text < groups * kTexts; ++text) {
        const double output = Output(data, probe, text);
        sum += output;
        squares += output * output;
      }
      EXPECT_LT(std::abs(sum), 1e-3 * std::sqrt(squares * static_cast<double>(groups * kTexts)))
          << groups << " groups, scale " << scale;
    }
  }
}

float Rounded(float x) { return kernels::FromBfloat16(kernels::ToBfloat16(x)); }

// A dimension with a large part that all texts share tells them apart exactly, and only before it is rounded.
TEST(LinearProbe, ItsOutputsStandRoundingToBfloat16) {
  ProbeData data = Draw(200, Truth(), 0);
  for (size_t i = 0; i < data.inputs.size(); i += kWidth) {
    data.inputs[i + 8] += 5000;
    data.inputs[i + 16] += 500000;
  }
  const Probe probe = FitProbe(data, kScale);
  size_t right = 0, pairs = 0;
  const auto output = [&](size_t text) {
    double sum = 0;
    for (size_t k = 0; k < kWidth; ++k)
      sum += double{Rounded(data.inputs[text * kWidth + k])} * Rounded(probe.weights[k]);
    return sum;
  };
  for (const ProbeData::Group& group : data.groups) {
    for (const auto& [better, worse] : group.pairs) {
      right += output(group.first + better) > output(group.first + worse) ? 1 : 0;
      ++pairs;
    }
  }
  EXPECT_GT(static_cast<double>(right), 0.7 * static_cast<double>(pairs)) << "a third of the truth is lost";
}

TEST(LinearProbe, ItsOutputsAreOfTheSizeOfTheScale) {
  const ProbeData data = Draw(100, Truth(), 0);
  for (const double scale : {1.0, 5.0}) {
    const Probe probe = FitProbe(data, scale);
    double squares = 0;
    for (size_t text = 0; text < 100 * kTexts; ++text) squares += std::pow(Output(data, probe, text) / scale, 2);
    EXPECT_LT(squares / (100 * kTexts), 4) << scale;
    EXPECT_GT(probe.accuracy, 0.75) << scale;
  }
}

TEST(LinearProbe, NoiseTeachesNothing) {
  const Probe probe = FitProbe(Draw(100, Truth(), 0.5), kScale);
  EXPECT_NEAR(probe.accuracy, 0.5, 0.08);
  EXPECT_GT(probe.loss, std::log(2.0) - 0.02);
  const Probe learnt = FitProbe(Draw(100, Truth(), 0), kScale);
  EXPECT_LT(learnt.penalty, probe.penalty) << "what is sure is followed more closely";
}

TEST(LinearProbe, TheSameDataGivesTheSameBits) {
  const ProbeData data = Draw(50, Truth(), 0.2);
  EXPECT_EQ(FitProbe(data, kScale).weights, FitProbe(data, kScale).weights);
}

TEST(LinearProbe, TwoGroupsAreEnough) {
  const Probe probe = FitProbe(Draw(2, Truth(), 0), kScale);
  EXPECT_EQ(probe.weights.size(), kWidth);
  for (const float weight : probe.weights) EXPECT_TRUE(std::isfinite(weight));
}

}  // namespace
}  // namespace orrery::model
