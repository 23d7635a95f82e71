// SPDX-License-Identifier: Apache-2.0
#include "actors/context.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"

namespace orrery::actors {

int TreeContext::token_budget() const {
  const int room = campaign->context_length - static_cast<int>(prompt.size());
  return std::min(rules().max_total_tokens, room);
}

std::string ProblemKey(const reasoning::Problem& problem) {
  return fmt::format("{}#{:016x}", problem.id, HashParts({problem.question, problem.answer}));
}

std::vector<model::TokenId> EncodePrompt(const CampaignContext& campaign, const reasoning::Problem& problem) {
  std::vector<model::TokenId> tokens;
  for (const auto& piece : reasoning::Prompt(campaign.prompt, problem)) {
    const auto special = piece.special ? model::SpecialTokens::kParse : model::SpecialTokens::kPlain;
    const auto more = tokens.empty() ? campaign.tokenizer->Encode(piece.text, special)
                                     : campaign.tokenizer->EncodeContinuation(piece.text, special);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  const auto begin = campaign.tokenizer->BeginOfText();
  if (begin && (tokens.empty() || tokens.front() != *begin)) tokens.insert(tokens.begin(), *begin);
  return tokens;
}

}  // namespace orrery::actors
