// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer/bpe_tokenizer.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "model/tokenizer/unicode.h"

namespace orrery::model {
namespace {

std::string Replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  while (!text.empty()) {
    const size_t at = from.empty() ? std::string_view::npos : text.find(from);
    out += text.substr(0, at);
    if (at == std::string_view::npos) break;
    out += to;
    text.remove_prefix(at + from.size());
  }
  return out;
}

size_t CharacterBytes(std::string_view text) {
  size_t bytes = 1;
  while (bytes < text.size() && (static_cast<uint8_t>(text[bytes]) & 0xC0) == 0x80) ++bytes;
  return bytes;
}

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(TokenizerParts parts) : parts_(std::move(parts)) {
    for (const AddedToken& token : parts_.added) {
      by_text_.emplace(token.text, token.id);
      const std::string text = token.normalized ? Normalised(token.text, true) : token.text;
      (token.normalized ? normalised_ : raw_).Add(text, token);
      if (!token.special) (token.normalized ? normalised_additions_ : raw_additions_).Add(text, token);
    }
  }

  std::vector<TokenId> Encode(std::string_view text, SpecialTokens special) const override {
    return EncodeFrom(text, special, true);
  }
  std::vector<TokenId> EncodeContinuation(std::string_view text, SpecialTokens special) const override {
    return EncodeFrom(text, special, false);
  }

  std::string_view Bytes(TokenId token) const override {
    return token < 0 || token >= vocabulary_size() ? std::string_view() : std::string_view(parts_.bytes[token]);
  }
  int vocabulary_size() const override { return static_cast<int>(parts_.bytes.size()); }
  bool IsEndOfText(TokenId token) const override {
    return std::find(parts_.ends_of_text.begin(), parts_.ends_of_text.end(), token) != parts_.ends_of_text.end();
  }
  std::optional<TokenId> Find(std::string_view special_token) const override {
    const auto found = by_text_.find(special_token);
    return found == by_text_.end() ? std::nullopt : std::optional(found->second);
  }
  std::string_view SpecialText(TokenId token) const override {
    for (const AddedToken& added : parts_.added) {
      if (added.id == token) return added.text;
    }
    return {};
  }
  std::optional<TokenId> BeginOfText() const override { return parts_.begin_of_text; }

 private:
  using Piece = AddedTokens::Piece;

  static std::vector<Piece> Split(std::string_view text, SpecialTokens special, const AddedTokens& all,
                                  const AddedTokens& additions) {
    std::vector<Piece> pieces;
    switch (special) {
      case SpecialTokens::kParse: all.Split(text, &pieces); break;
      case SpecialTokens::kAdded: additions.Split(text, &pieces); break;
      case SpecialTokens::kPlain:
        if (!text.empty()) pieces.push_back({text, AddedTokens::kText});
    }
    return pieces;
  }

  std::vector<TokenId> EncodeFrom(std::string_view text, SpecialTokens special, bool begins) const {
    const std::string well_formed = ReplaceIllFormed(text);
    std::vector<TokenId> tokens;
    tokens.reserve(well_formed.size() / 3);
    const std::vector<Piece> pieces = Split(well_formed, special, raw_, raw_additions_);
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (pieces[i].token != AddedTokens::kText) {
        tokens.push_back(pieces[i].token);
      } else {
        EncodePiece(pieces[i].text, special, i == 0, begins || i > 0, &tokens);
      }
    }
    return tokens;
  }

  // `first`: nothing of the text stands before; `prefixed`: a blank may be put before it.
  void EncodePiece(std::string_view text, SpecialTokens special, bool first, bool prefixed,
                   std::vector<TokenId>* tokens) const {
    const std::string normal = Normalised(text, prefixed);
    const std::vector<Piece> pieces = Split(normal, special, normalised_, normalised_additions_);
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (pieces[i].token != AddedTokens::kText) {
        tokens->push_back(pieces[i].token);
      } else {
        EncodeNormal(pieces[i].text, first && i == 0, prefixed || i > 0, tokens);
      }
    }
  }

  std::string Normalised(std::string_view text, bool prefixed) const {
    std::string normal(text);
    for (const NormaliserStep& step : parts_.normaliser) {
      switch (step.kind) {
        case NormaliserStep::kFormC: normal = NormalFormC(normal); break;
        case NormaliserStep::kPrepend:
          if (prefixed && !normal.empty()) normal.insert(0, step.to);
          break;
        case NormaliserStep::kReplace: normal = Replaced(normal, step.from, step.to); break;
      }
    }
    return normal;
  }

  void EncodeNormal(std::string_view text, bool first, bool prefixed, std::vector<TokenId>* tokens) const {
    if (parts_.pretokenizer != nullptr) {
      std::vector<std::string_view> pieces;
      parts_.pretokenizer->Split(text, &pieces);
      for (const std::string_view piece : pieces) EncodeBytes(piece, tokens);
    } else if (parts_.metaspace) {
      EncodeMetaspace(text, first, prefixed, tokens);
    } else {
      EncodeCharacters(text, tokens);
    }
  }

  void EncodeBytes(std::string_view piece, std::vector<TokenId>* tokens) const {
    if (!parts_.whole.empty()) {
      if (const auto found = parts_.whole.find(std::string(piece)); found != parts_.whole.end()) {
        tokens->push_back(found->second);
        return;
      }
    }
    parts_.merges->Encode(piece, tokens);
  }

  void EncodeMetaspace(std::string_view text, bool first, bool prefixed, std::vector<TokenId>* tokens) const {
    std::string marked = Replaced(text, " ", kMetaspace);
    const bool prefix = parts_.metaspace->prefix == MetaspaceRule::kAlways ||
                        (parts_.metaspace->prefix == MetaspaceRule::kFirst && first);
    if (prefix && prefixed && !marked.starts_with(kMetaspace)) marked.insert(0, kMetaspace);
    std::string_view rest = marked;
    while (parts_.metaspace->split && !rest.empty()) {
      const size_t next = rest.find(kMetaspace, 1);
      if (next == std::string_view::npos) break;
      EncodeCharacters(rest.substr(0, next), tokens);
      rest.remove_prefix(next);
    }
    EncodeCharacters(rest, tokens);
  }

  void EncodeCharacters(std::string_view text, std::vector<TokenId>* tokens) const {
    const size_t begin = tokens->size();
    int unknown = 0;  // unknown tokens that wait for the next known character, as the reference holds them back
    const auto flush = [&] {
      for (; unknown > 0; --unknown) tokens->push_back(parts_.unknown);
    };
    while (!text.empty()) {
      const std::string character(text.substr(0, CharacterBytes(text)));
      text.remove_prefix(character.size());
      if (const auto found = parts_.whole.find(character); found != parts_.whole.end()) {
        flush();
        tokens->push_back(found->second);
      } else if (FallsBack(character)) {
        for (const char byte : character) tokens->push_back(parts_.byte_fallback[static_cast<uint8_t>(byte)]);
      } else if (parts_.unknown >= 0) {
        if (!parts_.fuse_unknown) flush();
        unknown = 1;
      }
    }
    flush();
    parts_.merges->Merge(tokens, begin);
  }

  bool FallsBack(std::string_view character) const {
    return !parts_.byte_fallback.empty() && std::all_of(character.begin(), character.end(), [&](char byte) {
      return parts_.byte_fallback[static_cast<uint8_t>(byte)] >= 0;
    });
  }

  TokenizerParts parts_;
  AddedTokens raw_, normalised_;                      // to be found before and after the text is normalised
  AddedTokens raw_additions_, normalised_additions_;  // of these the ones that are not special
  std::map<std::string, TokenId, std::less<>> by_text_;
};

}  // namespace

std::unique_ptr<Tokenizer> NewTokenizer(TokenizerParts parts) {
  return std::make_unique<BpeTokenizer>(std::move(parts));
}

std::string SentencePieceBytes(std::string_view text, bool byte) {
  if (!byte) return Replaced(text, kMetaspace, " ");
  int value = -1;
  const bool is_byte = text.size() == 6 && text.starts_with("<0x") && text[5] == '>' &&
                       std::from_chars(text.data() + 3, text.data() + 5, value, 16).ptr == text.data() + 5;
  return is_byte ? std::string(1, static_cast<char>(value)) : std::string();
}

bool IsOneCharacter(std::string_view text) { return !text.empty() && CharacterBytes(text) == text.size(); }

bool EndsTurn(std::string_view special_token) {
  constexpr std::string_view kEnds[] = {"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|end|>"};
  return std::find(std::begin(kEnds), std::end(kEnds), special_token) != std::end(kEnds);
}

std::string Tokenizer::Decode(const std::vector<TokenId>& tokens) const {
  std::string text;
  for (const TokenId token : tokens) text += Bytes(token);
  return text;
}

}  // namespace orrery::model
