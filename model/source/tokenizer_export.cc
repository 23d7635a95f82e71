// SPDX-License-Identifier: Apache-2.0
#include "model/source/tokenizer_export.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "model/tokenizer/bpe.h"
#include "model/tokenizer/pretokenizer.h"
#include "model/tokenizer/tokenizer.h"

namespace orrery::model {
namespace {

using Json = nlohmann::json;

constexpr int64_t kControl = 3, kUserDefined = 4;

Json ByteLevel(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json PreTokenizer(std::string_view name) {
  if (name == "gpt-2") return ByteLevel(true);
  Json first = {{"type", "Digits"}, {"individual_digits", true}};
  if (const std::string pattern = Pretokenizer::PatternOf(name); !pattern.empty())
    first = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", {first, ByteLevel(name == "smollm")}}};
}

std::optional<std::string> TokenText(const GgufFile& file, const char* key) {
  const auto id = file.Unsigned(key);
  const auto texts = file.Strings("tokenizer.ggml.tokens");
  if (!id.ok() || !texts.ok() || *id >= texts->size()) return std::nullopt;
  return std::string((*texts)[*id]);
}

Json PostProcessor(std::optional<TokenId> begin, std::span<const std::string_view> texts) {
  if (!begin) return {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}, {"use_regex", true}};
  const std::string text(texts[static_cast<size_t>(*begin)]);
  const Json special = {{"SpecialToken", {{"id", text}, {"type_id", 0}}}};
  const auto sequence = [](const char* id, int type) { return Json{{"Sequence", {{"id", id}, {"type_id", type}}}}; };
  return {{"type", "TemplateProcessing"},
          {"single", {special, sequence("A", 0)}},
          {"pair", {special, sequence("A", 0), sequence("B", 1)}},
          {"special_tokens", {{text, {{"id", text}, {"ids", {*begin}}, {"tokens", {text}}}}}}};
}

}  // namespace

StatusOr<Json> TokenizerJson(const GgufFile& file) {
  ORRERY_ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::FromGguf(file));  // checks what follows
  ORRERY_ASSIGN_OR_RETURN(const std::string_view model, file.String("tokenizer.ggml.model"));
  if (model != "gpt2") {
    return InvalidInput("{}: key 'tokenizer.ggml.model' is '{}'; only byte-level tokenizers ('gpt2') can be exported",
                        file.path().string(), model);
  }
  ORRERY_ASSIGN_OR_RETURN(const auto texts, file.Strings("tokenizer.ggml.tokens"));
  ORRERY_ASSIGN_OR_RETURN(const auto types, file.Integers("tokenizer.ggml.token_type"));
  ORRERY_ASSIGN_OR_RETURN(const auto merges, file.Strings("tokenizer.ggml.merges"));
  ORRERY_ASSIGN_OR_RETURN(const std::string_view pre, file.String("tokenizer.ggml.pre"));
  ORRERY_ASSIGN_OR_RETURN(const auto pairs, SplitMerges(merges, file.path().string()));
  Json vocabulary = Json::object(), added = Json::array(), merge_list = Json::array();
  for (size_t i = 0; i < texts.size(); ++i) {
    if (!vocabulary.emplace(std::string(texts[i]), i).second)
      return InvalidInput("{}: token '{}' occurs twice; it cannot be exported", file.path().string(), texts[i]);
    if (types[i] != kControl && types[i] != kUserDefined) continue;
    added.push_back({{"id", i},
                     {"content", texts[i]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", types[i] == kControl}});
  }
  for (const auto& [left, right] : pairs) merge_list.push_back({left, right});
  Json result = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"added_tokens", added}};
  result["normalizer"] = pre == "qwen2" ? Json{{"type", "NFC"}} : Json();
  result["pre_tokenizer"] = PreTokenizer(pre);
  result["post_processor"] = PostProcessor(tokenizer->BeginOfText(), texts);
  result["decoder"] = ByteLevel(true);
  result["model"] = {{"type", "BPE"},
                     {"dropout", nullptr},
                     {"unk_token", nullptr},
                     {"continuing_subword_prefix", nullptr},
                     {"end_of_word_suffix", nullptr},
                     {"fuse_unk", false},
                     {"byte_fallback", false},
                     {"ignore_merges", pre == "llama-bpe"},
                     {"vocab", vocabulary},
                     {"merges", merge_list}};
  return result;
}

StatusOr<Json> TokenizerConfig(const GgufFile& file) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  for (const auto& [name, key] :
       {std::pair{"bos_token", "tokenizer.ggml.bos_token_id"}, std::pair{"eos_token", "tokenizer.ggml.eos_token_id"},
        std::pair{"pad_token", "tokenizer.ggml.padding_token_id"}}) {
    if (const auto text = TokenText(file, key)) config[name] = *text;
  }
  if (const auto text = file.String("tokenizer.chat_template"); text.ok()) config["chat_template"] = *text;
  return config;
}

StatusOr<Json> GenerationConfig(const GgufFile& file) {
  ORRERY_ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::FromGguf(file));
  Json ends = Json::array();
  for (TokenId token = 0; token < tokenizer->vocabulary_size(); ++token) {
    if (tokenizer->IsEndOfText(token)) ends.push_back(token);
  }
  Json config = {{"eos_token_id", ends}};
  for (const auto& [name, key] : {std::pair{"bos_token_id", "tokenizer.ggml.bos_token_id"},
                                  std::pair{"pad_token_id", "tokenizer.ggml.padding_token_id"}}) {
    if (const auto id = file.Unsigned(key); id.ok()) config[name] = *id;
  }
  return config;
}

}  // namespace orrery::model
