// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reward models: a text's score is tanh(output after its last token / scale), and what is learnt is which of several
// texts is better (rStar-Math 3.3, METHODS A4: the process preference model; on whole solutions an outcome reward
// model), or how good each is (PQM: regression of Q).

#include <functional>
#include <utility>
#include <vector>

#include "model/tokenizer/tokenizer.h"
#include "model/training/linear_probe.h"
#include "model/training/objective.h"

namespace orrery::model {

// One continuation of a group's prefix.
struct ScoredBranch {
  std::vector<TokenId> tokens;  // at least one
  float value = 0;              // its Q, in [−1, 1]
};

// Siblings: continuations of one prefix, and which is better than which.
struct ScoredGroup {
  std::vector<TokenId> prefix;  // at least one token
  std::vector<ScoredBranch> branches;
  std::vector<std::pair<int32_t, int32_t>> pairs;  // better, worse: indices of branches; at least one
};

enum class ScoreLoss : uint8_t {
  kScores,   // −mean over pairs of ln σ(score chosen − score rejected)
  kOutputs,  // the same on the outputs themselves, as the released code has it; scores are served as tanh all the same
  kSquares,  // (score − value)² of each branch
};

struct ScoreOptions {
  ScoreLoss loss = ScoreLoss::kScores;
  double scale = 1;    // ModelShape::score_scale
  bool shared = true;  // a group's prefix is computed once for all its branches (never with a sliding window)
};

class ScoreObjective : public Objective {
 public:
  // `network` and `groups` must outlive it.
  ScoreObjective(Network& network, const std::vector<ScoredGroup>& groups, const ScoreOptions& options)
      : network_(network), groups_(groups), options_(options) {
    options_.shared = options_.shared && network.shape().window == 0;
  }

  size_t count() const override { return groups_.size(); }
  size_t rows(size_t example) const override { return Rows(groups_[example], options_.shared); }
  static size_t Rows(const ScoredGroup& group, bool shared);
  // A group counts once, however many pairs it has; of a regression every branch counts.
  size_t learnt(size_t example) const override;
  PassResult Pass(std::span<const int32_t> examples, float weight, bool gradient) override;

  // What FitProbe fits: every group's texts as the head sees them. A forward pass over all of them; `progress` is told
  // how many groups are done.
  ProbeData HeadInputs(const std::function<void(size_t)>& progress = {});

 private:
  // One pass over examples; the rows of all their branches' last tokens, in order.
  std::vector<int32_t> Forward(std::span<const int32_t> examples);
  // Adds a group's loss, and its outputs' gradients times `weight` to douts.
  PassResult Loss(const ScoredGroup& group, std::span<const float> outputs, float weight,
                  std::span<float> doutputs) const;

  Network& network_;
  const std::vector<ScoredGroup>& groups_;
  ScoreOptions options_;
};

}  // namespace orrery::model
