// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <gtest/gtest.h>

namespace orrery {
namespace {

TEST(Philox, KnownAnswers) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}), (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(Philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(RandomStream, DrawDependsOnEveryCoordinate) {
  const RandomStream stream{1, 2};
  EXPECT_EQ(stream.Bits(Purpose::kSampleToken, 7), (RandomStream{1, 2}.Bits(Purpose::kSampleToken, 7)));
  EXPECT_NE(stream.Bits(Purpose::kSampleToken, 7), stream.Bits(Purpose::kSampleToken, 8));
  EXPECT_NE(stream.Bits(Purpose::kSampleToken, 7), stream.Bits(Purpose::kShuffle, 7));
  EXPECT_NE(stream.Bits(Purpose::kSampleToken, 7), (RandomStream{1, 3}.Bits(Purpose::kSampleToken, 7)));
  EXPECT_NE(stream.Bits(Purpose::kSampleToken, 7), (RandomStream{3, 2}.Bits(Purpose::kSampleToken, 7)));
}

TEST(RandomStream, UniformIsBelowOneAndEven) {
  double sum = 0;
  for (uint32_t i = 0; i < 10000; ++i) {
    const float u = RandomStream{5, 6}.Uniform(Purpose::kSampleToken, i);
    ASSERT_GE(u, 0.0F);
    ASSERT_LT(u, 1.0F);
    sum += u;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.01);
}

TEST(HashParts, PartsDoNotRunTogether) {
  EXPECT_NE(HashParts({"ab", "c"}), HashParts({"a", "bc"}));
  EXPECT_NE(HashParts({"abc"}), HashParts({"abc", ""}));
}

}  // namespace
}  // namespace orrery
