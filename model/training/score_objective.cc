// SPDX-License-Identifier: Apache-2.0
#include "model/training/score_objective.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace orrery::model {
namespace {

// The rows of one pass: a group is a sequence with branches, or a sequence for each of its branches.
struct Layout {
  std::vector<int32_t> tokens, begins = {0}, prefixes, branches;
  std::vector<int32_t> last;  // of each branch of each group, in order: the row of its last token

  void AddShared(const ScoredGroup& group) {
    const int begin = begins.back(), prefix = static_cast<int>(group.prefix.size());
    tokens.insert(tokens.end(), group.prefix.begin(), group.prefix.end());
    branches.insert(branches.end(), group.prefix.size(), 0);
    for (const ScoredBranch& branch : group.branches) {
      const auto at = static_cast<int32_t>(tokens.size()) - begin;
      tokens.insert(tokens.end(), branch.tokens.begin(), branch.tokens.end());
      branches.insert(branches.end(), branch.tokens.size(), at);
      last.push_back(static_cast<int32_t>(tokens.size()) - 1);
    }
    prefixes.push_back(prefix);
    begins.push_back(static_cast<int32_t>(tokens.size()));
  }

  void AddApart(const ScoredGroup& group) {
    for (const ScoredBranch& branch : group.branches) {
      tokens.insert(tokens.end(), group.prefix.begin(), group.prefix.end());
      tokens.insert(tokens.end(), branch.tokens.begin(), branch.tokens.end());
      last.push_back(static_cast<int32_t>(tokens.size()) - 1);
      begins.push_back(static_cast<int32_t>(tokens.size()));
    }
  }
};

}  // namespace

size_t ScoreObjective::Rows(const ScoredGroup& group, bool shared) {
  size_t rows = shared ? group.prefix.size() : 0;
  for (const ScoredBranch& branch : group.branches) rows += branch.tokens.size() + (shared ? 0 : group.prefix.size());
  return rows;
}

size_t ScoreObjective::learnt(size_t example) const {
  return options_.loss == ScoreLoss::kSquares ? groups_[example].branches.size() : 1;
}

PassResult ScoreObjective::Loss(const ScoredGroup& group, std::span<const float> outputs, float weight,
                                std::span<float> doutputs) const {
  const size_t count = group.branches.size();
  std::vector<double> scores(count), slopes(count, 1);
  for (size_t i = 0; i < count; ++i) {
    scores[i] = outputs[i];
    if (options_.loss == ScoreLoss::kOutputs) continue;
    scores[i] = std::tanh(outputs[i] / options_.scale);
    slopes[i] = (1 - scores[i] * scores[i]) / options_.scale;
  }
  PassResult result{.compared = group.pairs.size()};
  const auto add = [&](size_t i, double dscore) { doutputs[i] += static_cast<float>(weight * dscore * slopes[i]); };
  for (size_t i = 0; i < count && options_.loss == ScoreLoss::kSquares; ++i) {
    const double difference = scores[i] - group.branches[i].value;
    result.loss += difference * difference;
    add(i, 2 * difference);
  }
  for (const auto& [better, worse] : group.pairs) {
    const auto i = static_cast<size_t>(better), j = static_cast<size_t>(worse);
    const double margin = scores[i] - scores[j];
    result.right += margin > 0 ? 1 : 0;
    if (options_.loss == ScoreLoss::kSquares) continue;
    const double share = 1 / static_cast<double>(group.pairs.size()), slope = share / (1 + std::exp(margin));
    result.loss += share * (std::log1p(std::exp(-std::abs(margin))) + std::max(-margin, 0.0));
    add(i, -slope);
    add(j, slope);
  }
  return result;
}

ProbeData ScoreObjective::HeadInputs(const std::function<void(size_t)>& progress) {
  const auto most = static_cast<size_t>(network_.options().max_rows);
  ProbeData data{.width = static_cast<size_t>(network_.shape().width), .inputs = {}, .groups = {}};
  std::vector<int32_t> all(groups_.size());
  std::iota(all.begin(), all.end(), 0);
  size_t texts = 0;
  for (std::span<const int32_t> left = all; !left.empty();) {
    const auto these = left.first(std::max<size_t>(1, ThatFit(left, most)));
    for (const int32_t number : these) {
      const ScoredGroup& group = groups_[static_cast<size_t>(number)];
      data.groups.push_back({texts, group.branches.size(), group.pairs});
      texts += group.branches.size();
    }
    const std::vector<int32_t> last = Forward(these);
    data.inputs.resize(texts * data.width);
    network_.HeadInputs(last, &data.inputs[(texts - last.size()) * data.width]);
    left = left.subspan(these.size());
    if (progress) progress(all.size() - left.size());
  }
  return data;
}

std::vector<int32_t> ScoreObjective::Forward(std::span<const int32_t> examples) {
  Layout layout;
  for (const int32_t number : examples) {
    const ScoredGroup& group = groups_[static_cast<size_t>(number)];
    options_.shared ? layout.AddShared(group) : layout.AddApart(group);
  }
  network_.Forward(layout.tokens, {layout.begins, layout.prefixes, layout.branches});
  return std::move(layout.last);
}

PassResult ScoreObjective::Pass(std::span<const int32_t> examples, float weight, bool gradient) {
  const std::vector<int32_t> last = Forward(examples);
  std::vector<float> outputs(last.size()), doutputs(last.size());
  network_.Score(last, outputs.data());
  PassResult result;
  size_t at = 0;
  for (const int32_t number : examples) {
    const ScoredGroup& group = groups_[static_cast<size_t>(number)];
    const size_t count = group.branches.size();
    result += Loss(group, std::span(outputs).subspan(at, count), weight, std::span(doutputs).subspan(at, count));
    at += count;
  }
  if (!gradient) return result;
  network_.ScoreGradient(last, doutputs);
  network_.Backward();
  return result;
}

}  // namespace orrery::model
