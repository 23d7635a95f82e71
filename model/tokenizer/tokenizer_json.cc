// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/paths.h"
#include "model/tokenizer/bpe_tokenizer.h"

namespace orrery::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int64_t kMostTokens = 1 << 20;

// Puts the parts together from one tokenizer.json.
class Reader {
 public:
  Reader(const Json& json, const std::string& name) : json_(json), name_(name) {}

  StatusOr<TokenizerParts> Read() {
    ORRERY_RETURN_IF_ERROR(Vocabulary());
    ORRERY_RETURN_IF_ERROR(Added());
    ORRERY_RETURN_IF_ERROR(Normaliser(Get(json_, "normalizer")));
    ORRERY_RETURN_IF_ERROR(PreTokenizer(Get(json_, "pre_tokenizer")));
    ORRERY_RETURN_IF_ERROR(Decoder(Get(json_, "decoder")));
    ORRERY_RETURN_IF_ERROR(PostProcessor(Get(json_, "post_processor")));
    ORRERY_RETURN_IF_ERROR(Merges());
    Tables();
    return std::move(parts_);
  }

 private:
  template <class... Args>
  Status Bad(fmt::format_string<Args...> format, Args&&... args) const {
    return InvalidInput("{}: {}", name_, fmt::format(format, std::forward<Args>(args)...));
  }

  static Json Get(const Json& object, const char* key) {
    return object.is_object() && object.contains(key) ? object[key] : Json();
  }
  static bool Flag(const Json& object, const char* key, bool otherwise = false) {
    const Json value = Get(object, key);
    return value.is_boolean() ? value.get<bool>() : otherwise;
  }
  static std::string Text(const Json& object, const char* key) {
    const Json value = Get(object, key);
    return value.is_string() ? value.get<std::string>() : std::string();
  }
  static std::string Type(const Json& object) { return Text(object, "type"); }

  // The members of a Sequence under `key`, a lone one as a sequence of itself, none for null.
  static std::vector<Json> Members(const Json& part, const char* key, int depth = 0) {
    constexpr int kDeepest = 8;  // deeper ones are left as they are, and refused
    if (part.is_null()) return {};
    if (Type(part) != "Sequence" || depth == kDeepest) return {part};
    std::vector<Json> members;
    for (const Json& member : Get(part, key)) {
      for (Json& inner : Members(member, key, depth + 1)) members.push_back(std::move(inner));
    }
    return members;
  }

  Status Vocabulary() {
    const Json model = Get(json_, "model");
    const std::string type = Type(model).empty() ? "BPE" : Type(model);
    if (type != "BPE") return Bad("model '{}' is not supported; BPE was expected", type);
    for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
      const Json value = Get(model, key);
      if (!value.is_null() && value != "" && value != 0.0)
        return Bad("model.{} is {}; null was expected", key, value.dump());
    }
    const Json vocabulary = Get(model, "vocab");
    if (!vocabulary.is_object() || vocabulary.empty())
      return Bad("model.vocab: an object of texts and ids was expected");
    for (const auto& [text, id] : vocabulary.items()) {
      ORRERY_RETURN_IF_ERROR(CheckId(text, id));
      Place(id.get<int64_t>()) = text;
    }
    byte_fallback_ = Flag(model, "byte_fallback");
    ignore_merges_ = Flag(model, "ignore_merges");
    parts_.fuse_unknown = Flag(model, "fuse_unk");
    if (const std::string unknown = Text(model, "unk_token"); !unknown.empty()) {
      const auto found = std::find(texts_.begin(), texts_.end(), unknown);
      if (found == texts_.end()) return Bad("model.unk_token '{}' is not in the vocabulary", unknown);
      parts_.unknown = static_cast<TokenId>(found - texts_.begin());
    }
    return absl::OkStatus();
  }

  Status CheckId(const std::string& text, const Json& id) const {
    if (id.is_number_unsigned() && id.get<uint64_t>() < kMostTokens) return absl::OkStatus();
    return Bad("token '{}' has the id {}; a number below {} was expected", text, id.dump(), kMostTokens);
  }

  std::string& Place(int64_t id) {
    if (static_cast<int64_t>(texts_.size()) <= id) texts_.resize(id + 1);
    return texts_[id];
  }

  Status Added() {
    const Json added = Get(json_, "added_tokens");
    in_vocabulary_ = texts_;
    for (const Json& entry : added) {
      AddedToken token;
      token.text = Text(entry, "content");
      const Json id = Get(entry, "id");
      if (token.text.empty()) return Bad("an added token without content");
      ORRERY_RETURN_IF_ERROR(CheckId(token.text, id));
      token.id = id.get<TokenId>();
      std::string& place = Place(token.id);
      if (!place.empty() && place != token.text)
        return Bad("added token '{}' has the id {}, which is that of '{}'", token.text, token.id, place);
      place = token.text;
      token.special = Flag(entry, "special");
      token.single_word = Flag(entry, "single_word");
      token.lstrip = Flag(entry, "lstrip");
      token.rstrip = Flag(entry, "rstrip");
      token.normalized = Flag(entry, "normalized", !token.special);
      parts_.added.push_back(std::move(token));
    }
    in_vocabulary_.resize(texts_.size());
    return absl::OkStatus();
  }

  Status Normaliser(const Json& normaliser) {
    for (const Json& step : Members(normaliser, "normalizers")) {
      const std::string type = Type(step);
      if (type == "NFC") {
        parts_.normaliser.push_back({NormaliserStep::kFormC, "", ""});
      } else if (type == "Prepend") {
        parts_.normaliser.push_back({NormaliserStep::kPrepend, "", Text(step, "prepend")});
      } else if (type == "Replace" && Get(step, "pattern").contains("String")) {
        parts_.normaliser.push_back({NormaliserStep::kReplace, Text(step["pattern"], "String"), Text(step, "content")});
      } else {
        return Bad("normalizer '{}' is not supported; NFC, Prepend or Replace of a string was expected", type);
      }
    }
    return absl::OkStatus();
  }

  Status PreTokenizer(const Json& pre_tokenizer) {
    const std::vector<Json> steps = Members(pre_tokenizer, "pretokenizers");
    if (steps.empty()) return absl::OkStatus();  // the whole text is one piece
    if (steps.size() == 1 && Type(steps[0]) == "Metaspace") return Metaspace(steps[0]);
    const Json& last = steps.back();
    if (Type(last) != "ByteLevel" || steps.size() > 2) {
      for (const Json& step : steps) {
        if (const std::string type = Type(step); type != "ByteLevel" && type != "Split" && type != "Digits")
          return Bad("pre_tokenizer '{}' is not supported; ByteLevel, Split, Digits or Metaspace was expected", type);
      }
      return Bad("pre_tokenizer: a Split or Digits, then a ByteLevel were expected");
    }
    if (Flag(last, "add_prefix_space", true)) return Bad("pre_tokenizer ByteLevel: add_prefix_space is not supported");
    const bool by_expression = Flag(last, "use_regex", true);
    std::string_view name = by_expression ? "gpt-2" : "";
    const std::string pattern = steps.size() == 2 ? Text(Get(steps[0], "pattern"), "Regex") : "";
    if (steps.size() == 2 && Type(steps[0]) == "Digits" && Flag(steps[0], "individual_digits")) {
      name = by_expression ? "smollm" : "";
    } else if (steps.size() == 2) {
      const bool plain =
          Type(steps[0]) == "Split" && Text(steps[0], "behavior") == "Isolated" && !Flag(steps[0], "invert");
      name = plain && !by_expression ? Pretokenizer::NameOfPattern(pattern) : "";
    }
    if (name.empty()) {
      return Bad("pre_tokenizer '{}'{} is not supported; the expression of Qwen2, Llama 3 or GPT-2 was expected",
                 Type(steps[0]), pattern.empty() ? "" : fmt::format(" by '{}'", pattern));
    }
    ORRERY_ASSIGN_OR_RETURN(parts_.pretokenizer, Pretokenizer::Create(name));
    return absl::OkStatus();
  }

  Status Metaspace(const Json& step) {
    if (Text(step, "replacement") != kMetaspace)
      return Bad("pre_tokenizer Metaspace: replacement '{}'; '{}' was expected", Text(step, "replacement"), kMetaspace);
    MetaspaceRule rule;
    std::string scheme = Text(step, "prepend_scheme");
    if (scheme.empty()) scheme = Flag(step, "add_prefix_space", true) ? "always" : "never";  // as older files write it
    if (scheme != "always" && scheme != "first" && scheme != "never")
      return Bad("pre_tokenizer Metaspace: prepend_scheme '{}'; always, first or never was expected", scheme);
    rule.prefix = scheme == "always"  ? MetaspaceRule::kAlways
                  : scheme == "first" ? MetaspaceRule::kFirst
                                      : MetaspaceRule::kNever;
    rule.split = Flag(step, "split", true);
    parts_.metaspace = rule;
    return absl::OkStatus();
  }

  // What a token writes follows from the pre-tokeniser; the decoder must be the one that goes with it.
  Status Decoder(const Json& decoder) {
    const std::set<std::string> known =
        parts_.pretokenizer != nullptr ? std::set<std::string>{"ByteLevel"}
                                       : std::set<std::string>{"Replace", "ByteFallback", "Fuse", "Strip", "Metaspace"};
    for (const Json& step : Members(decoder, "decoders")) {
      if (!known.contains(Type(step)))
        return Bad("decoder '{}' is not supported; {} was expected", Type(step), fmt::join(known, " or "));
    }
    return absl::OkStatus();
  }

  Status PostProcessor(const Json& processor) {
    for (const Json& step : Members(processor, "processors")) {
      if (Type(step) == "ByteLevel") continue;
      if (Type(step) != "TemplateProcessing")
        return Bad("post_processor '{}' is not supported; TemplateProcessing or ByteLevel was expected", Type(step));
      bool text_passed = false;
      for (const Json& item : Get(step, "single")) {
        if (item.contains("Sequence")) {
          text_passed = true;
          continue;
        }
        const std::string text = Text(Get(item, "SpecialToken"), "id");
        if (text_passed || parts_.begin_of_text)
          return Bad("post_processor: '{}' is more than one token before a text", text);
        const auto found = std::find(texts_.begin(), texts_.end(), text);
        if (text.empty() || found == texts_.end()) return Bad("post_processor: '{}' is not a token", text);
        parts_.begin_of_text = static_cast<TokenId>(found - texts_.begin());
      }
    }
    return absl::OkStatus();
  }

  Status Merges() {
    const Json merges = Get(Get(json_, "model"), "merges");
    if (!merges.is_array()) return Bad("model.merges: a list was expected");
    std::vector<std::string> left, right;
    for (const Json& merge : merges) {
      if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
        left.push_back(merge[0].get<std::string>()), right.push_back(merge[1].get<std::string>());
        continue;
      }
      const std::string text = merge.is_string() ? merge.get<std::string>() : "";
      const size_t space = text.find(' ');
      if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
        return Bad("merge {}: two texts were expected", merge.dump());
      left.push_back(text.substr(0, space)), right.push_back(text.substr(space + 1));
    }
    std::vector<MergePair> pairs;
    for (size_t i = 0; i < left.size(); ++i) pairs.push_back({left[i], right[i]});
    const std::vector<std::string_view> texts(in_vocabulary_.begin(), in_vocabulary_.end());
    ORRERY_ASSIGN_OR_RETURN(parts_.merges, BpeMerges::Create(texts, pairs, name_));
    return absl::OkStatus();
  }

  // What each token writes, and the tokens of characters, whole pieces and bytes.
  void Tables() {
    const bool byte_level = parts_.pretokenizer != nullptr;
    if (!byte_level && byte_fallback_) parts_.byte_fallback.assign(256, -1);
    for (size_t i = 0; i < texts_.size(); ++i) {
      const auto token = static_cast<TokenId>(i);
      const std::string& text = in_vocabulary_[i];
      const std::string byte = !byte_level && byte_fallback_ ? SentencePieceBytes(text, true) : "";
      parts_.bytes.push_back(!byte.empty() ? byte : byte_level ? FromByteLevel(text) : SentencePieceBytes(text, false));
      if (!byte.empty()) parts_.byte_fallback[static_cast<uint8_t>(byte[0])] = token;
      if (text.empty()) continue;
      if (byte_level ? ignore_merges_ : IsOneCharacter(text))
        parts_.whole.emplace(byte_level ? parts_.bytes.back() : text, token);
    }
    for (const AddedToken& token : parts_.added) {
      parts_.bytes[token.id] = token.special ? "" : token.text;
      if (token.special && EndsTurn(token.text)) parts_.ends_of_text.push_back(token.id);
    }
    if (parts_.unknown >= 0) parts_.bytes[parts_.unknown].clear();
  }

  const Json& json_;
  const std::string& name_;
  TokenizerParts parts_;
  std::vector<std::string> texts_, in_vocabulary_;  // by id, with and without the added tokens
  bool byte_fallback_ = false, ignore_merges_ = false;
};

// A special token as tokenizer_config.json writes it: its text, or an object with it.
std::string TokenText(const Json& config, const char* key) {
  if (!config.contains(key)) return {};
  const Json& token = config[key];
  if (token.is_string()) return token.get<std::string>();
  return token.is_object() && token.value("content", Json()).is_string() ? token["content"].get<std::string>() : "";
}

StatusOr<TokenizerParts> PartsOf(std::string_view text, const std::string& name) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return InvalidInput("{}: no JSON object", name);
  return Reader(json, name).Read();
}

StatusOr<Json> OptionalJson(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return Json::object();
  ORRERY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return InvalidInput("{}: no JSON object", path.string());
  return json;
}

// eos_token_id is one id or a list of them.
Status AddEnds(const Json& config, const fs::path& file, TokenizerParts& parts) {
  const Json value = config.value("eos_token_id", Json());
  for (const Json& id : value.is_array() ? value : value.is_null() ? Json::array() : Json::array({value})) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= parts.bytes.size())
      return InvalidInput("{}: key 'eos_token_id' holds {}; a token below {} was expected", file.string(), id.dump(),
                          parts.bytes.size());
    parts.ends_of_text.push_back(id.get<TokenId>());
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<Tokenizer>> TokenizerFromJson(std::string_view text, const std::string& name) {
  ORRERY_ASSIGN_OR_RETURN(TokenizerParts parts, PartsOf(text, name));
  return NewTokenizer(std::move(parts));
}

StatusOr<std::unique_ptr<Tokenizer>> TokenizerFromFolder(const fs::path& folder) {
  ORRERY_ASSIGN_OR_RETURN(const std::string text, ReadFile(folder / "tokenizer.json"));
  ORRERY_ASSIGN_OR_RETURN(TokenizerParts parts, PartsOf(text, (folder / "tokenizer.json").string()));
  const fs::path config_file = folder / "tokenizer_config.json";
  ORRERY_ASSIGN_OR_RETURN(const Json config, OptionalJson(config_file));
  const auto find = [&](const std::string& token) {
    return std::find_if(parts.added.begin(), parts.added.end(), [&](const AddedToken& a) { return a.text == token; });
  };
  for (const char* name : {"generation_config.json", "config.json"}) {
    ORRERY_ASSIGN_OR_RETURN(const Json json, OptionalJson(folder / name));
    ORRERY_RETURN_IF_ERROR(AddEnds(json, folder / name, parts));
  }
  const std::string end = TokenText(config, "eos_token"), begin = TokenText(config, "bos_token");
  if (const auto found = find(end); found != parts.added.end()) parts.ends_of_text.push_back(found->id);
  if (config.value("add_bos_token", Json()) == false) parts.begin_of_text.reset();
  if (config.value("add_bos_token", Json()) == true) {
    const auto found = find(begin);
    if (found == parts.added.end())
      return InvalidInput("{}: add_bos_token is true, but bos_token '{}' is no token", config_file.string(), begin);
    parts.begin_of_text = found->id;
  }
  return NewTokenizer(std::move(parts));
}

}  // namespace orrery::model
