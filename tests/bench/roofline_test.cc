// SPDX-License-Identifier: Apache-2.0
#include "bench/roofline.h"

#include <gtest/gtest.h>

namespace orrery::bench {
namespace {

TEST(Roofline, TheSlowerOfMemoryAndArithmeticDecides) {
  const Roofline roofline{.flops_per_second = 1e12, .bytes_per_second = 1e10};
  const ProductType bfloat16, int8{.weights = kernels::WeightType::kInt8}, float32{.type = kernels::Type::kFloat32};
  EXPECT_DOUBLE_EQ(roofline.Seconds(1000, 1000, 1, bfloat16), 2e-4);
  EXPECT_DOUBLE_EQ(roofline.Seconds(1000, 1000, 1, int8), 1e-4);
  EXPECT_DOUBLE_EQ(roofline.Seconds(1000, 1000, 1, float32), 4e-4);
  EXPECT_DOUBLE_EQ(roofline.Seconds(1000, 1000, 1000, bfloat16), 2e-3);
}

TEST(Roofline, ABatchIsAllLayersAndTheOutputOfWhatIsSampled) {
  const Roofline roofline{.flops_per_second = 1e9, .bytes_per_second = 1e15};  // memory does not matter
  model::ModelShape shape;
  shape.layers = 3;
  shape.width = 64;
  shape.feed_forward = 128;
  shape.vocabulary = 1000;
  shape.attention = {4, 2, 16};
  const double layer = 128 * 64 + 64 * 64 + 256 * 64 + 64 * 128, output = 1000 * 64;
  EXPECT_DOUBLE_EQ(BatchSeconds(shape, 10, 4, roofline, {}), 2e-9 * (3 * layer * 10 + output * 4));
  EXPECT_DOUBLE_EQ(BatchSeconds(shape, 10, 0, roofline, {}), 2e-9 * 3 * layer * 10);
}

TEST(Roofline, IsMeasured) {
  const Roofline roofline = MeasureRoofline({.type = kernels::Type::kFloat32}, 2);
  EXPECT_GT(roofline.flops_per_second, 1e9);
  EXPECT_LT(roofline.flops_per_second, 1e14);
  EXPECT_GT(roofline.bytes_per_second, 1e8);
  EXPECT_LT(roofline.bytes_per_second, 1e12);
}

TEST(Roofline, IsMeasuredAgain) {
  RooflineMeter meter({.type = kernels::Type::kFloat32}, 1);
  const Roofline now = meter.Now();
  EXPECT_GT(now.flops_per_second, meter.best().flops_per_second / 100);
  EXPECT_LT(now.flops_per_second, meter.best().flops_per_second * 10);
  EXPECT_GT(now.bytes_per_second, meter.best().bytes_per_second / 100);
  EXPECT_LT(now.bytes_per_second, meter.best().bytes_per_second * 10);
}

}  // namespace
}  // namespace orrery::bench
