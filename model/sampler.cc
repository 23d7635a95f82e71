// SPDX-License-Identifier: Apache-2.0
#include "model/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace orrery::model {
namespace {

constexpr int kBlock = 1024;  // logits summed together

struct Row {
  const kernels::Backend& backend;
  const float* logits;
  int count;
  float largest;
  float scale;               // 1 / temperature
  std::vector<double> sums;  // Σ exp((logit − largest) · scale) of each block
};

std::vector<double> BlockSums(const kernels::Backend& backend, const float* logits, int count, float largest,
                              float scale) {
  std::vector<double> sums;
  for (int begin = 0; begin < count; begin += kBlock) {
    sums.push_back(backend.SumExp(logits + begin, std::min(kBlock, count - begin), largest, scale));
  }
  return sums;
}

double Total(const std::vector<double>& sums) {
  double total = 0;
  for (double sum : sums) total += sum;
  return total;
}

// Walks the whole distribution in the order of ids.
TokenId SampleAll(const Row& row, float uniform) {
  double left = static_cast<double>(uniform) * Total(row.sums);
  size_t block = 0;
  while (block + 1 < row.sums.size() && left >= row.sums[block]) left -= row.sums[block++];
  const int begin = static_cast<int>(block) * kBlock;
  float weights[kBlock];
  const int count = std::min(kBlock, row.count - begin);
  row.backend.Exp(row.logits + begin, count, row.largest, row.scale, weights);
  int last = 0;  // rounding may carry the walk beyond the end: then the last token that has any weight
  for (int i = 0; i < count; ++i) {
    if (weights[i] <= 0) continue;
    last = i;
    if (left < weights[i]) break;
    left -= weights[i];
  }
  return begin + last;
}

using Candidate = std::pair<float, TokenId>;

bool Before(const Candidate& a, const Candidate& b) {
  return a.first != b.first ? a.first > b.first : a.second < b.second;
}

double Weight(const Row& row, float logit) { return std::exp(static_cast<double>((logit - row.largest) * row.scale)); }

std::vector<Candidate> AtLeast(const Row& row, float logit) {
  std::vector<Candidate> found;
  // A sum is cheap to look at, and most blocks hold nothing: a member's weight is at most its block's sum.
  const double least = 0.5 * Weight(row, logit);
  for (int begin = 0; begin < row.count; begin += kBlock) {
    const int end = std::min(begin + kBlock, row.count);
    if (row.sums[static_cast<size_t>(begin / kBlock)] < least) continue;
    for (int i = begin; i < end; ++i) {
      if (row.logits[i] >= logit) found.emplace_back(row.logits[i], i);
    }
  }
  return found;
}

// The candidates that survive truncation, the most probable first. Only those near the largest logit are looked at, and
// more of them until they are enough; how many that took does not change what is returned.
std::vector<Candidate> Truncate(const Row& row, const Sampling& sampling) {
  const size_t most =
      sampling.top_k > 0 ? static_cast<size_t>(std::min(sampling.top_k, row.count)) : static_cast<size_t>(row.count);
  const bool all = most == static_cast<size_t>(row.count);
  const double needed = all ? sampling.top_p * Total(row.sums) : 0;
  for (float reach = 4;; reach *= 2) {
    const bool everything = reach > 64;
    std::vector<Candidate> kept =
        AtLeast(row, everything ? -std::numeric_limits<float>::infinity() : row.largest - reach / row.scale);
    if (!all && kept.size() < most && !everything) continue;
    std::sort(kept.begin(), kept.end(), Before);
    if (kept.size() > most) kept.resize(most);
    double mass = 0, wanted = needed;
    if (!all) {
      for (const Candidate& candidate : kept) wanted += Weight(row, candidate.first);
      wanted *= sampling.top_p;
    }
    size_t count = 0;
    while (count < kept.size() && (count == 0 || mass < wanted)) mass += Weight(row, kept[count++].first);
    if (mass < wanted && all && !everything) continue;
    kept.resize(count);
    return kept;
  }
}

TokenId SampleTruncated(const Row& row, const Sampling& sampling, float uniform) {
  const std::vector<Candidate> kept = Truncate(row, sampling);
  double mass = 0;
  for (const Candidate& candidate : kept) mass += Weight(row, candidate.first);
  double left = static_cast<double>(uniform) * mass;
  for (const Candidate& candidate : kept) {
    left -= Weight(row, candidate.first);
    if (left < 0) return candidate.second;
  }
  return kept.back().second;
}

}  // namespace

SampledToken Sample(const kernels::Backend& backend, const float* logits, int count, const Sampling& sampling,
                    float uniform) {
  const kernels::Backend::Peak peak = backend.Maximum(logits, count);
  const float scale = sampling.temperature > 0 ? 1 / sampling.temperature : 1;
  const Row row{backend, logits, count, peak.value, scale, BlockSums(backend, logits, count, peak.value, scale)};
  TokenId token = peak.index;
  if (sampling.temperature > 0 && sampling.top_k != 1) {
    const bool truncated = sampling.top_p < 1 || (sampling.top_k > 0 && sampling.top_k < count);
    token = truncated ? SampleTruncated(row, sampling, uniform) : SampleAll(row, uniform);
  }
  const double plain = scale == 1 ? Total(row.sums) : backend.SumExp(logits, count, peak.value, 1);
  return {token, static_cast<double>(logits[token]) - static_cast<double>(peak.value) - std::log(plain)};
}

}  // namespace orrery::model
