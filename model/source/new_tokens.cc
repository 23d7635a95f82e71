// SPDX-License-Identifier: Apache-2.0
#include "model/source/new_tokens.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace orrery::model {
namespace {

using Json = nlohmann::json;

TokenId LastId(const Json& tokenizer) {
  TokenId last = -1;
  if (tokenizer.contains("model") && tokenizer["model"].contains("vocab")) {
    for (const auto& [text, id] : tokenizer["model"]["vocab"].items()) last = std::max(last, id.get<TokenId>());
  }
  for (const Json& token : tokenizer.value("added_tokens", Json::array())) last = std::max(last, token.value("id", -1));
  return last;
}

}  // namespace

StatusOr<std::vector<NewToken>> AddTokens(const std::vector<std::string>& texts, const Tokenizer& tokenizer,
                                          Json& tokenizer_json) {
  std::vector<NewToken> tokens;
  TokenId next = LastId(tokenizer_json) + 1;
  for (const std::string& text : texts) {
    NewToken token{text, next, tokenizer.EncodeContinuation(text, SpecialTokens::kAdded)};
    if (token.parts.empty()) return InvalidInput("a new token has no text");
    const bool twice = std::ranges::any_of(tokens, [&](const NewToken& other) { return other.text == text; });
    if (token.parts.size() == 1 || twice) continue;
    // Not special: its text is part of what the model writes.
    tokenizer_json["added_tokens"].push_back({{"id", next},
                                              {"content", text},
                                              {"single_word", false},
                                              {"lstrip", false},
                                              {"rstrip", false},
                                              {"normalized", false},
                                              {"special", false}});
    tokens.push_back(std::move(token));
    ++next;
  }
  return tokens;
}

}  // namespace orrery::model
