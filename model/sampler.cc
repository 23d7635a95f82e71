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
  float scale;  // 1 / temperature
};

std::vector<double> BlockSums(const Row& row) {
  std::vector<double> sums;
  for (int begin = 0; begin < row.count; begin += kBlock) {
    sums.push_back(row.backend.SumExp(row.logits + begin, std::min(kBlock, row.count - begin), row.largest, row.scale));
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
  const std::vector<double> sums = BlockSums(row);
  double left = static_cast<double>(uniform) * Total(sums);
  size_t block = 0;
  while (block + 1 < sums.size() && left >= sums[block]) left -= sums[block++];
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

bool Before(const Candidate& a, const Candidate& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; }

std::vector<Candidate> AtLeast(const Row& row, float logit) {
  std::vector<Candidate> found;
  for (int i = 0; i < row.count; ++i) {
    if (row.logits[i] >= logit) found.emplace_back(row.logits[i], i);
  }
  return found;
}

double Weight(const Row& row, float logit) { return std::exp(static_cast<double>((logit - row.largest) * row.scale)); }

// The candidates that survive truncation, the most probable first. Only those near the largest logit are looked at, and more of
// them until they are enough; how many that took does not change what is returned.
std::vector<Candidate> Truncate(const Row& row, const Sampling& sampling) {
  const size_t most = sampling.top_k > 0 ? static_cast<size_t>(std::min(sampling.top_k, row.count)) : static_cast<size_t>(row.count);
  const bool all = most == static_cast<size_t>(row.count);
  const double needed = all ? sampling.top_p * Total(BlockSums(row)) : 0;
  for (float reach = 8;; reach *= 2) {
    const bool everything = reach > 64;
    std::vector<Candidate> kept = AtLeast(row, everything ? -std::numeric_limits<float>::infinity() : row.largest - reach / row.scale);
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

SampledToken Sample(const kernels::Backend& backend, const float* logits, int count, const Sampling& sampling, float uniform) {
  const kernels::Backend::Peak peak = backend.Maximum(logits, count);
  TokenId token = peak.index;
  if (sampling.temperature > 0 && sampling.top_k != 1) {
    const Row row{backend, logits, count, peak.value, 1 / sampling.temperature};
    const bool truncated = sampling.top_p < 1 || (sampling.top_k > 0 && sampling.top_k < count);
    token = truncated ? SampleTruncated(row, sampling, uniform) : SampleAll(row, uniform);
  }
  const double total = backend.SumExp(logits, count, peak.value, 1);
  return {token, static_cast<double>(logits[token]) - static_cast<double>(peak.value) - std::log(total)};
}

}  // namespace orrery::model
