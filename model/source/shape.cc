// SPDX-License-Identifier: Apache-2.0
#include "model/source/shape.h"

#include <cmath>
#include <numbers>

namespace orrery::model {

float ModelShape::RopeFrequency(int i) const {
  const double plain = std::pow(double{rope_base}, -double(i) / (attention.head_dim / 2));
  const bool is_long = !rope.long_factors.empty() && context_length > rope.original_context;
  const std::vector<float>& factors = is_long ? rope.long_factors : rope.factors;
  return static_cast<float>(factors.empty() ? plain : plain / factors[i]);
}

Status CheckShape(const ModelShape& shape, int rotated, const std::string& file) {
  const kernels::AttentionShape& attention = shape.attention;
  if (attention.heads % attention.kv_heads != 0) {
    return InvalidInput("{}: {} heads cannot share {} key-value heads", file, attention.heads, attention.kv_heads);
  }
  if (attention.head_dim % 16 != 0 || rotated != attention.head_dim) {
    return InvalidInput("{}: heads of width {} of which {} are rotated; expected a multiple of 16, all rotated", file,
                        attention.head_dim, rotated);
  }
  if (shape.feed_forward % kGateRun != 0) {
    return InvalidInput("{}: a feed-forward width of {}; expected a multiple of {}", file, shape.feed_forward,
                        kGateRun);
  }
  return absl::OkStatus();
}

std::vector<float> Llama3Factors(const Llama3Scaling& scaling, float rope_base, int head_dim) {
  const double longest = scaling.original_context / scaling.low, shortest = scaling.original_context / scaling.high;
  std::vector<float> factors;
  for (int i = 0; i < head_dim / 2; ++i) {
    const double wave = 2 * std::numbers::pi * std::pow(double{rope_base}, double(i) / (head_dim / 2));
    double factor = 1;
    if (wave > longest) {
      factor = scaling.factor;
    } else if (wave >= shortest) {
      const double share = (scaling.original_context / wave - scaling.low) / (scaling.high - scaling.low);
      factor = 1 / ((1 - share) / scaling.factor + share);
    }
    factors.push_back(static_cast<float>(factor));
  }
  return factors;
}

double LongRopeMagnitude(double factor, int original_context) {
  return factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(original_context));
}

}  // namespace orrery::model
