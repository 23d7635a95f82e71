// SPDX-License-Identifier: Apache-2.0
#pragma once

// One token a byte: for a policy whose own tokenizer is not at hand. Special tokens stand for their own text.

#include "model/tokenizer/tokenizer.h"

namespace orrery::model {

class ByteTokenizer : public Tokenizer {
 public:
  ByteTokenizer();
  std::vector<TokenId> Encode(std::string_view text, SpecialTokens special) const override;
  std::string_view Bytes(TokenId token) const override;
  int vocabulary_size() const override { return 257; }
  bool IsEndOfText(TokenId token) const override { return token == 256; }
  std::optional<TokenId> Find(std::string_view special_token) const override;

 private:
  std::string bytes_;
};

}  // namespace orrery::model
