// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer/byte_tokenizer.h"

namespace orrery::model {

ByteTokenizer::ByteTokenizer() {
  for (int byte = 0; byte < 256; ++byte) bytes_.push_back(static_cast<char>(byte));
}

std::vector<TokenId> ByteTokenizer::Encode(std::string_view text, SpecialTokens) const {
  std::vector<TokenId> tokens;
  tokens.reserve(text.size());
  for (const char byte : text) tokens.push_back(static_cast<unsigned char>(byte));
  return tokens;
}

std::string_view ByteTokenizer::Bytes(TokenId token) const {
  if (token < 0 || token >= 256) return {};
  return std::string_view(bytes_).substr(static_cast<size_t>(token), 1);
}

std::optional<TokenId> ByteTokenizer::Find(std::string_view) const { return std::nullopt; }

}  // namespace orrery::model
