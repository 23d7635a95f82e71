// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer/prompt_tokens.h"

namespace orrery::model {

std::vector<TokenId> EncodePrompt(const Tokenizer& tokenizer, std::span<const reasoning::PromptPiece> pieces) {
  std::vector<TokenId> tokens;
  for (const auto& piece : pieces) {
    const auto special = piece.special ? SpecialTokens::kParse : SpecialTokens::kPlain;
    const auto more =
        tokens.empty() ? tokenizer.Encode(piece.text, special) : tokenizer.EncodeContinuation(piece.text, special);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  const auto begin = tokenizer.BeginOfText();
  if (begin && (tokens.empty() || tokens.front() != *begin)) tokens.insert(tokens.begin(), *begin);
  return tokens;
}

void AppendStep(const Tokenizer& tokenizer, std::string_view text, std::vector<TokenId>& tokens) {
  const std::vector<TokenId> more = tokenizer.EncodeContinuation(text, SpecialTokens::kAdded);
  tokens.insert(tokens.end(), more.begin(), more.end());
}

}  // namespace orrery::model
