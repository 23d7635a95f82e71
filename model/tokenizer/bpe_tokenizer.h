// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one tokenizer behind all families: added tokens cut out, text normalised, split and merged, as the parts say that
// a file's reader put together.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/tokenizer/added_tokens.h"
#include "model/tokenizer/bpe.h"
#include "model/tokenizer/pretokenizer.h"
#include "model/tokenizer/tokenizer.h"

namespace orrery::model {

// SentencePiece writes a blank as this character (U+2581).
inline constexpr std::string_view kMetaspace = "\xE2\x96\x81";

struct NormaliserStep {
  enum Kind : uint8_t { kFormC, kPrepend, kReplace } kind;
  std::string from, to;  // kPrepend puts `to` before a text that is not empty; kReplace puts `to` for `from`
};

// Blanks become kMetaspace, and a text that does not begin with one gets one.
struct MetaspaceRule {
  enum Prefix : uint8_t { kNever, kFirst, kAlways } prefix = kNever;  // kFirst: only at the start of the whole text
  bool split = false;                                                 // a piece begins at each kMetaspace
};

struct TokenizerParts {
  std::vector<std::string> bytes;  // what each token writes; empty for a special one
  std::vector<AddedToken> added;
  std::vector<NormaliserStep> normaliser;
  std::unique_ptr<Pretokenizer> pretokenizer;  // byte-level text; none: SentencePiece's
  std::optional<MetaspaceRule> metaspace;
  std::optional<BpeMerges> merges;
  // Byte-level: pieces that are a token are not merged from their bytes. SentencePiece: the tokens of single
  // characters.
  std::unordered_map<std::string, TokenId> whole;
  // SentencePiece: tokens of the 256 bytes (empty: none) for characters without one, else the unknown token (-1: none).
  std::vector<TokenId> byte_fallback;
  TokenId unknown = -1;
  bool fuse_unknown = false;
  std::vector<TokenId> ends_of_text;
  std::optional<TokenId> begin_of_text;
};

std::unique_ptr<Tokenizer> NewTokenizer(TokenizerParts parts);

// What a SentencePiece token writes: blanks for kMetaspace; a byte for <0x00> to <0xFF> where `byte` says that it is
// one.
std::string SentencePieceBytes(std::string_view text, bool byte);
bool IsOneCharacter(std::string_view text);

// "<|im_end|>" and the like, which end a turn in some family whether or not a file says so.
bool EndsTurn(std::string_view special_token);

}  // namespace orrery::model
