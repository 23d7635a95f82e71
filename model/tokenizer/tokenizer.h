// SPDX-License-Identifier: Apache-2.0
#pragma once

// Text to token ids and back, as the model's publisher does it: byte-level BPE (Qwen2, Llama 3, GPT-2) or
// SentencePiece's BPE with byte fallback (Llama 2, Mistral, Phi-3), from a GGUF file or a tokenizer.json.
//
// Any bytes can be encoded. Invalid UTF-8 is replaced, one U+FFFD for each maximal ill-formed sequence (Unicode
// 15, 3.9, as Python's errors="replace" does), before anything else.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "model/formats/gguf.h"

namespace orrery::model {

using TokenId = int32_t;

// Which of a text's characters stand for tokens of their own: those of special tokens (<|im_start|>) and of additions
// to the vocabulary that are not special (kParse), of the additions alone (kAdded: what a model wrote, the markers of a
// step among it), or none (kPlain: a user's words).
enum class SpecialTokens : uint8_t { kParse, kAdded, kPlain };

class Tokenizer {
 public:
  static StatusOr<std::unique_ptr<Tokenizer>> FromGguf(const GgufFile& file);

  virtual ~Tokenizer() = default;

  // A whole text: where the publisher puts a blank before a text, it gets one. No begin-of-text token is added.
  virtual std::vector<TokenId> Encode(std::string_view text, SpecialTokens special) const = 0;
  // A text that follows another one that was encoded already: no blank is put before it.
  virtual std::vector<TokenId> EncodeContinuation(std::string_view text, SpecialTokens special) const {
    return Encode(text, special);
  }

  // The bytes of one token; empty for a special token. May be part of a character.
  virtual std::string_view Bytes(TokenId token) const = 0;

  // The concatenated bytes of the tokens, special tokens left out.
  std::string Decode(const std::vector<TokenId>& tokens) const;

  virtual int vocabulary_size() const = 0;
  virtual bool IsEndOfText(TokenId token) const = 0;  // eos, and the chat form's end of turn
  virtual std::optional<TokenId> Find(std::string_view special_token) const = 0;
  // How a special token is written; empty for any other.
  virtual std::string_view SpecialText(TokenId) const { return {}; }
  // The token that the publisher puts before every text, if there is one.
  virtual std::optional<TokenId> BeginOfText() const { return std::nullopt; }
};

}  // namespace orrery::model
