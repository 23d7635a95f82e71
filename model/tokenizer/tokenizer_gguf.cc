// SPDX-License-Identifier: Apache-2.0
// A tokenizer from a GGUF file's keys: tokenizer.ggml.model 'gpt2' (byte-level) or 'llama' (SentencePiece).
#include <algorithm>
#include <limits>

#include "model/tokenizer/bpe_tokenizer.h"

namespace orrery::model {
namespace {

// tokenizer.ggml.token_type
enum TokenType : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

using Texts = std::span<const std::string_view>;
using Types = std::span<const int64_t>;

// The token of key `key`; empty if there is no such key.
StatusOr<std::optional<TokenId>> TokenOf(const GgufFile& file, std::string_view key, size_t vocabulary) {
  if (!file.metadata().contains(key)) return std::optional<TokenId>();
  ORRERY_ASSIGN_OR_RETURN(const uint64_t token, file.Unsigned(key));
  if (token >= vocabulary) {
    return InvalidInput("{}: key '{}' is {}; a token below {} was expected", file.path().string(), key, token,
                        vocabulary);
  }
  return std::optional(static_cast<TokenId>(token));
}

StatusOr<bool> FlagOr(const GgufFile& file, std::string_view key, bool otherwise) {
  if (!file.metadata().contains(key)) return otherwise;
  return file.Boolean(key);
}

// llama.cpp's convention for this family: its chat markers take the white space after them, as their tokenizer.json
// says.
bool TakesSpace(const GgufFile& file, std::string_view text) {
  const auto architecture = file.String("general.architecture");
  return architecture.ok() && *architecture == "phi3" && text != "<unk>" && text != "<s>" && text != "<|endoftext|>";
}

void AddSpecials(const GgufFile& file, Texts texts, Types types, TokenizerParts& parts) {
  for (size_t i = 0; i < texts.size(); ++i) {
    if (types[i] != kControl && types[i] != kUserDefined) continue;
    AddedToken token{std::string(texts[i]), static_cast<TokenId>(i)};
    token.special = types[i] == kControl;
    token.rstrip = TakesSpace(file, texts[i]);
    parts.added.push_back(std::move(token));
  }
}

Status FindEnds(const GgufFile& file, TokenizerParts& parts) {
  for (const std::string_view key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    ORRERY_ASSIGN_OR_RETURN(const auto token, TokenOf(file, key, parts.bytes.size()));
    if (token) parts.ends_of_text.push_back(*token);
  }
  for (const AddedToken& token : parts.added) {
    if (EndsTurn(token.text)) parts.ends_of_text.push_back(token.id);
  }
  ORRERY_ASSIGN_OR_RETURN(const auto begin, TokenOf(file, "tokenizer.ggml.bos_token_id", parts.bytes.size()));
  // Where the file does not say: SentencePiece's families and Llama 3 put it there.
  const auto pre = file.String("tokenizer.ggml.pre");
  const bool usual = parts.pretokenizer == nullptr || (pre.ok() && *pre == "llama-bpe");
  ORRERY_ASSIGN_OR_RETURN(const bool adds, FlagOr(file, "tokenizer.ggml.add_bos_token", usual));
  if (adds) parts.begin_of_text = begin;
  return absl::OkStatus();
}

Status ByteLevel(const GgufFile& file, Texts texts, Types types, TokenizerParts& parts) {
  const std::string name = file.path().string();
  ORRERY_ASSIGN_OR_RETURN(const auto merges, file.Strings("tokenizer.ggml.merges"));
  ORRERY_ASSIGN_OR_RETURN(const std::string_view pre, file.String("tokenizer.ggml.pre"));
  auto pretokenizer = Pretokenizer::Create(pre);
  if (!pretokenizer.ok()) return Annotate(pretokenizer.status(), name + ": key 'tokenizer.ggml.pre'");
  parts.pretokenizer = std::move(pretokenizer).value();
  if (parts.pretokenizer->normalises()) parts.normaliser.push_back({NormaliserStep::kFormC, "", ""});
  ORRERY_ASSIGN_OR_RETURN(const auto pairs, SplitMerges(merges, name));
  ORRERY_ASSIGN_OR_RETURN(parts.merges, BpeMerges::Create(texts, pairs, name));
  for (size_t i = 0; i < texts.size(); ++i) {
    const bool plain = types[i] == kNormal || types[i] == kByte;
    parts.bytes.push_back(plain ? FromByteLevel(texts[i]) : types[i] == kUserDefined ? std::string(texts[i]) : "");
    if (pre == "llama-bpe" && plain) parts.whole.emplace(parts.bytes.back(), static_cast<TokenId>(i));
  }
  return absl::OkStatus();
}

Status SentencePiece(const GgufFile& file, Texts texts, Types types, TokenizerParts& parts) {
  const std::string name = file.path().string();
  ORRERY_ASSIGN_OR_RETURN(const auto scores, file.Floats("tokenizer.ggml.scores"));
  if (scores.size() != texts.size()) {
    return InvalidInput("{}: key 'tokenizer.ggml.scores' has {} elements; as many as tokens ({}) were expected", name,
                        scores.size(), texts.size());
  }
  std::vector<bool> may(texts.size());
  parts.byte_fallback.assign(256, -1);
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto token = static_cast<TokenId>(i);
    may[i] = types[i] == kNormal;
    parts.bytes.push_back(SentencePieceBytes(texts[i], types[i] == kByte));
    if (types[i] == kControl || types[i] == kUnknown || types[i] == kUnused) parts.bytes.back().clear();
    if (may[i] && IsOneCharacter(texts[i])) parts.whole.emplace(texts[i], token);
    if (types[i] != kByte) continue;
    if (parts.bytes.back().size() != 1)
      return InvalidInput("{}: token {} ('{}') is a byte; '<0x00>' to '<0xFF>' was expected", name, i, texts[i]);
    parts.byte_fallback[static_cast<uint8_t>(parts.bytes.back()[0])] = token;
  }
  parts.merges = BpeMerges::FromScores(texts, scores, may);
  ORRERY_ASSIGN_OR_RETURN(const auto unknown, TokenOf(file, "tokenizer.ggml.unknown_token_id", texts.size()));
  parts.unknown = unknown.value_or(-1);
  parts.fuse_unknown = true;
  ORRERY_ASSIGN_OR_RETURN(const bool prefix, FlagOr(file, "tokenizer.ggml.add_space_prefix", true));
  if (prefix) parts.normaliser.push_back({NormaliserStep::kPrepend, "", std::string(kMetaspace)});
  parts.normaliser.push_back({NormaliserStep::kReplace, " ", std::string(kMetaspace)});
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::FromGguf(const GgufFile& file) {
  const std::string name = file.path().string();
  ORRERY_ASSIGN_OR_RETURN(const std::string_view model, file.String("tokenizer.ggml.model"));
  if (model != "gpt2" && model != "llama") {
    return InvalidInput(
        "{}: key 'tokenizer.ggml.model' is '{}'; 'gpt2' (byte-level BPE) or 'llama' (SentencePiece) was expected", name,
        model);
  }
  ORRERY_ASSIGN_OR_RETURN(const auto texts, file.Strings("tokenizer.ggml.tokens"));
  ORRERY_ASSIGN_OR_RETURN(const auto types, file.Integers("tokenizer.ggml.token_type"));
  if (texts.empty() || texts.size() >= static_cast<size_t>(std::numeric_limits<TokenId>::max())) {
    return InvalidInput("{}: key 'tokenizer.ggml.tokens' has {} elements; 1 to 2^31 - 2 were expected", name,
                        texts.size());
  }
  if (types.size() != texts.size()) {
    return InvalidInput("{}: key 'tokenizer.ggml.token_type' has {} elements; as many as tokens ({}) were expected",
                        name, types.size(), texts.size());
  }
  TokenizerParts parts;
  ORRERY_RETURN_IF_ERROR(model == "gpt2" ? ByteLevel(file, texts, types, parts)
                                         : SentencePiece(file, texts, types, parts));
  AddSpecials(file, texts, types, parts);
  ORRERY_RETURN_IF_ERROR(FindEnds(file, parts));
  return NewTokenizer(std::move(parts));
}

}  // namespace orrery::model
