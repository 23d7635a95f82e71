// SPDX-License-Identifier: Apache-2.0
#pragma once

// Supervised fine-tuning: the cross-entropy of a text's tokens after its prompt (METHODS A4: loss on the response only,
// the end token included).

#include <vector>

#include "model/tokenizer/tokenizer.h"
#include "model/training/objective.h"

namespace orrery::model {

// A text of which the tokens from `prompt` on are learnt.
struct TrainingExample {
  std::vector<TokenId> tokens;
  int prompt = 0;
};

class LanguageObjective : public Objective {
 public:
  // Both must outlive it. No example may have nothing to be learnt.
  LanguageObjective(Network& network, const std::vector<TrainingExample>& examples)
      : network_(network), examples_(examples) {}

  size_t count() const override { return examples_.size(); }
  size_t rows(size_t example) const override { return examples_[example].tokens.size(); }
  size_t learnt(size_t example) const override;
  PassResult Pass(std::span<const int32_t> examples, float weight, bool gradient) override;

 private:
  Network& network_;
  const std::vector<TrainingExample>& examples_;
};

}  // namespace orrery::model
