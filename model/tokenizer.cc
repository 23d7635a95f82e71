// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer.h"

#include <algorithm>
#include <limits>
#include <map>

#include "model/bpe.h"
#include "model/pretokenizer.h"
#include "model/unicode.h"

namespace orrery::model {
namespace {

// tokenizer.ggml.token_type
enum TokenType : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5 };

class ByteLevelTokenizer final : public Tokenizer {
 public:
  static StatusOr<std::unique_ptr<Tokenizer>> Create(const GgufFile& file);

  std::vector<TokenId> Encode(std::string_view text, SpecialTokens special) const override;

  std::string_view Bytes(TokenId token) const override {
    if (token < 0 || token >= vocabulary_size()) return {};
    return std::string_view(bytes_).substr(ends_[token], ends_[token + 1] - ends_[token]);
  }
  int vocabulary_size() const override { return static_cast<int>(ends_.size()) - 1; }
  bool IsEndOfText(TokenId token) const override {
    return std::find(ends_of_text_.begin(), ends_of_text_.end(), token) != ends_of_text_.end();
  }
  std::optional<TokenId> Find(std::string_view special_token) const override {
    const auto found = specials_.find(special_token);
    return found == specials_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  struct Found {
    size_t at, bytes;
    TokenId token;
  };

  void AddTokens(std::span<const std::string_view> texts, std::span<const int64_t> types);
  Status FindEnds(const GgufFile& file);
  std::optional<Found> FirstSpecial(std::string_view text) const;
  void EncodePlain(std::string_view text, std::vector<TokenId>* tokens) const;

  std::string bytes_;                                       // of all tokens, one after another
  std::vector<size_t> ends_ = {0};                          // token i: from ends_[i] to ends_[i + 1]
  std::map<std::string, TokenId, std::less<>> specials_;    // control and user-defined tokens by their text
  std::map<char, std::vector<std::string_view>> by_first_;  // their texts by first byte, longest first
  std::vector<TokenId> ends_of_text_;
  std::optional<BpeMerges> merges_;
  std::unique_ptr<Pretokenizer> pretokenizer_;
};

StatusOr<std::unique_ptr<Tokenizer>> ByteLevelTokenizer::Create(const GgufFile& file) {
  const std::string name = file.path().string();
  ORRERY_ASSIGN_OR_RETURN(const std::string_view model, file.String("tokenizer.ggml.model"));
  if (model != "gpt2")
    return InvalidInput("{}: key 'tokenizer.ggml.model' is '{}'; 'gpt2' (byte-level BPE) was expected", name, model);
  ORRERY_ASSIGN_OR_RETURN(const auto texts, file.Strings("tokenizer.ggml.tokens"));
  ORRERY_ASSIGN_OR_RETURN(const auto types, file.Integers("tokenizer.ggml.token_type"));
  ORRERY_ASSIGN_OR_RETURN(const auto merges, file.Strings("tokenizer.ggml.merges"));
  ORRERY_ASSIGN_OR_RETURN(const std::string_view pre, file.String("tokenizer.ggml.pre"));
  if (texts.empty() || texts.size() >= static_cast<size_t>(std::numeric_limits<TokenId>::max())) {
    return InvalidInput("{}: key 'tokenizer.ggml.tokens' has {} elements; 1 to 2^31 - 2 were expected", name,
                        texts.size());
  }
  if (types.size() != texts.size()) {
    return InvalidInput("{}: key 'tokenizer.ggml.token_type' has {} elements; as many as tokens ({}) were expected",
                        name, types.size(), texts.size());
  }
  auto tokenizer = std::make_unique<ByteLevelTokenizer>();
  auto pretokenizer = Pretokenizer::Create(pre);
  if (!pretokenizer.ok()) return Annotate(pretokenizer.status(), name + ": key 'tokenizer.ggml.pre'");
  tokenizer->pretokenizer_ = std::move(pretokenizer).value();
  ORRERY_ASSIGN_OR_RETURN(tokenizer->merges_, BpeMerges::Create(texts, merges, name));
  tokenizer->AddTokens(texts, types);
  if (auto status = tokenizer->FindEnds(file); !status.ok()) return status;
  return tokenizer;
}

void ByteLevelTokenizer::AddTokens(std::span<const std::string_view> texts, std::span<const int64_t> types) {
  for (size_t i = 0; i < texts.size(); ++i) {
    const bool special = types[i] == kControl || types[i] == kUserDefined;
    if (special && !texts[i].empty()) specials_.emplace(texts[i], static_cast<TokenId>(i));
    if (types[i] == kUserDefined) bytes_ += texts[i];
    if (!special && types[i] != kUnused && types[i] != kUnknown) bytes_ += FromByteLevel(texts[i]);
    ends_.push_back(bytes_.size());
  }
  for (const auto& [text, token] : specials_) by_first_[text[0]].push_back(text);
  for (auto& [first, longest_first] : by_first_) {
    std::sort(longest_first.begin(), longest_first.end(),
              [](std::string_view a, std::string_view b) { return a.size() > b.size(); });
  }
}

Status ByteLevelTokenizer::FindEnds(const GgufFile& file) {
  for (const std::string_view key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    if (!file.metadata().contains(key)) continue;
    ORRERY_ASSIGN_OR_RETURN(const uint64_t token, file.Unsigned(key));
    if (token >= static_cast<uint64_t>(vocabulary_size())) {
      return InvalidInput("{}: key '{}' is {}; a token below {} was expected", file.path().string(), key, token,
                          vocabulary_size());
    }
    ends_of_text_.push_back(static_cast<TokenId>(token));
  }
  for (const std::string_view text : {"<|im_end|>", "<|endoftext|>"}) {
    if (const auto token = Find(text)) ends_of_text_.push_back(*token);
  }
  return absl::OkStatus();
}

// The leftmost special token, the longest where several begin.
std::optional<ByteLevelTokenizer::Found> ByteLevelTokenizer::FirstSpecial(std::string_view text) const {
  for (size_t at = 0; at < text.size(); ++at) {
    const auto candidates = by_first_.find(text[at]);
    if (candidates == by_first_.end()) continue;
    for (const std::string_view special : candidates->second) {
      if (text.substr(at).starts_with(special)) return Found{at, special.size(), specials_.find(special)->second};
    }
  }
  return std::nullopt;
}

void ByteLevelTokenizer::EncodePlain(std::string_view text, std::vector<TokenId>* tokens) const {
  if (text.empty()) return;
  const std::string normal = pretokenizer_->normalises() ? NormalFormC(text) : std::string(text);
  std::vector<std::string_view> pieces;
  pretokenizer_->Split(normal, &pieces);
  for (const std::string_view piece : pieces) merges_->Encode(piece, tokens);
}

std::vector<TokenId> ByteLevelTokenizer::Encode(std::string_view text, SpecialTokens special) const {
  const std::string well_formed = ReplaceIllFormed(text);
  std::string_view rest = well_formed;
  std::vector<TokenId> tokens;
  tokens.reserve(rest.size() / 3);
  if (special == SpecialTokens::kParse) {
    while (const auto found = FirstSpecial(rest)) {
      EncodePlain(rest.substr(0, found->at), &tokens);
      tokens.push_back(found->token);
      rest.remove_prefix(found->at + found->bytes);
    }
  }
  EncodePlain(rest, &tokens);
  return tokens;
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::FromGguf(const GgufFile& file) {
  return ByteLevelTokenizer::Create(file);
}

std::string Tokenizer::Decode(const std::vector<TokenId>& tokens) const {
  std::string text;
  for (const TokenId token : tokens) text += Bytes(token);
  return text;
}

}  // namespace orrery::model
