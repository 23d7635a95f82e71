// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tokens that a vocabulary gets in addition, such as the markers of a step, and what their rows begin with: the mean of
// the rows of the tokens that they were written with before, so that a model takes them for something like these.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/tokenizer/tokenizer.h"

namespace orrery::model {

struct NewToken {
  std::string text;
  TokenId id = 0;
  std::vector<TokenId> parts;  // as the text was encoded before; at least two
};

// Texts that are one token already are left out. Ids follow the last one of `tokenizer_json` (a tokenizer.json, which
// gets the new ones too), so they may lie in rows that a publisher left unused. InvalidInput for an empty text.
StatusOr<std::vector<NewToken>> AddTokens(const std::vector<std::string>& texts, const Tokenizer& tokenizer,
                                          nlohmann::json& tokenizer_json);

}  // namespace orrery::model
