// SPDX-License-Identifier: Apache-2.0
#include "schema/config.h"

#include <flatbuffers/idl.h>

#include <algorithm>

#include "base/digest.h"
#include "base/paths.h"
#include "schema/config_keys.h"

namespace orrery::schema {
namespace {

// The one key that a resolved configuration holds beside the schema's.
constexpr std::string_view kFingerprintKey = "fingerprint";

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string_view LastPart(std::string_view name) { return name.substr(name.rfind('.') + 1); }

// The key or section that was probably meant, "" if none is near.
std::string Nearest(std::string_view name) {
  constexpr size_t kLongest = 80;
  if (name.size() > kLongest) return "";
  std::string best;
  size_t best_distance = std::max<size_t>(2, name.size() / 4) + 1;
  const auto offer = [&](const std::string& candidate, size_t distance) {
    if (distance < best_distance) best = candidate, best_distance = distance;
  };
  for (const ConfigSection& section : Keys().sections) {
    offer(section.name, EditDistance(name, section.name));
    for (const ConfigKey& key : section.keys) {
      offer(key.name, EditDistance(name, key.name));
      // The right key in the wrong place.
      offer(key.name, EditDistance(LastPart(name), LastPart(key.name)) + (LastPart(name).size() > 3 ? 1 : 3));
    }
  }
  return best;
}

Status UnknownKey(std::string_view place, std::string_view name) {
  const std::string nearest = Nearest(name);
  if (nearest.empty())
    return InvalidInput("{}: expected a key of the configuration (--help lists them), found {}", place,
                        DescribeText(name));
  return InvalidInput("{}: expected a key of the configuration, found {}; did you mean \"{}\"?", place,
                      DescribeText(name), nearest);
}

bool IsFingerprint(const JsonValue& value) {
  return value.kind == JsonValue::Kind::kString && value.text.size() == 64 &&
         value.text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// The value as --set gives it: a string or an enum's value without quotes, everything else as JSON.
JsonValue ValueOf(const ConfigKey& key, const KeyValue& setting) {
  JsonValue value;
  value.kind = JsonValue::Kind::kString;
  value.text = setting.value;
  if (key.type == KeyType::kString || key.type == KeyType::kEnum) return value;
  StatusOr<JsonValue> read = ReadJson(setting.value, "");
  return read.ok() ? *std::move(read) : value;
}

}  // namespace

// Gathers values and makes a ResolvedConfig of them.
class ConfigResolver {
 public:
  ConfigResolver() = default;
  explicit ConfigResolver(const ResolvedConfig& from) : values_(from.values_) {}

  Status AddFile(std::string_view text, std::string_view name) {
    ORRERY_ASSIGN_OR_RETURN(const JsonValue root, ReadJson(text, name));
    return AddFile(root, name);
  }

  Status AddFile(const JsonValue& root, std::string_view name) {
    if (root.kind != JsonValue::Kind::kObject) {
      return InvalidInput("{}:{}: expected an object in braces, found {}", name, root.line, Describe(root));
    }
    std::map<std::string, int> first_lines;
    for (const JsonMember& member : root.members) {
      const std::string place = fmt::format("{}:{}", name, member.line);
      ORRERY_RETURN_IF_ERROR(CheckOnce(place, member.key, member.line, &first_lines));
      if (member.key == kFingerprintKey && IsFingerprint(member.value)) continue;
      const ConfigSection* section = Keys().FindSection(member.key);
      if (section == nullptr) return UnknownKey(place, member.key);
      if (member.value.kind != JsonValue::Kind::kObject) {
        return InvalidInput("{}:{}: {}: expected an object in braces, found {}", name, member.value.line, member.key,
                            Describe(member.value));
      }
      for (const JsonMember& leaf : member.value.members) {
        const std::string key = member.key + "." + leaf.key;
        const std::string leaf_place = fmt::format("{}:{}", name, leaf.line);
        ORRERY_RETURN_IF_ERROR(CheckOnce(leaf_place, key, leaf.line, &first_lines));
        ORRERY_RETURN_IF_ERROR(Add(leaf_place, key, leaf.value));
      }
    }
    return absl::OkStatus();
  }

  Status AddSetting(const KeyValue& setting) {
    if (!IsUtf8(setting.key) || !IsUtf8(setting.value) || setting.value.find('\0') != std::string::npos) {
      return InvalidInput("{}: expected UTF-8 without NUL characters", setting.origin);
    }
    const ConfigKey* key = Keys().Find(setting.key);
    if (key != nullptr) return Add(setting.origin, setting.key, ValueOf(*key, setting));
    if (Keys().FindSection(setting.key) != nullptr) {
      return InvalidInput("{}: expected a key such as \"{}\", found the section \"{}\"", setting.origin,
                          Keys().FindSection(setting.key)->keys.front().name, setting.key);
    }
    return UnknownKey(setting.origin, setting.key);
  }

  Status AddDefault(const KeyValue& setting) {
    ConfigResolver checked;
    ORRERY_RETURN_IF_ERROR(checked.AddSetting(setting));
    values_.try_emplace(setting.key,
                        ResolvedConfig::Value{checked.values_.at(setting.key).json, ResolvedConfig::Layer::kDefault});
    return absl::OkStatus();
  }

  Status Add(std::string_view place, const std::string& name, const JsonValue& value) {
    const ConfigKey* key = Keys().Find(name);
    if (key == nullptr) return UnknownKey(place, name);
    std::optional<std::string> canonical = Canonical(*key, value);
    if (!canonical) return InvalidInput("{}: {}: expected {}, found {}", place, name, Expected(*key), Describe(value));
    values_[name] = {*std::move(canonical), ResolvedConfig::Layer::kSet};
    return absl::OkStatus();
  }

  StatusOr<ResolvedConfig> Build() const {
    ResolvedConfig config;
    config.values_ = values_;
    config.json_ = Json("");
    config.fingerprint_ = Fingerprint();
    flatbuffers::Parser parser;
    if (!parser.Deserialize(reinterpret_cast<const uint8_t*>(CompiledConfigSchema().data()),
                            CompiledConfigSchema().size())) {
      return Failed("the compiled schema of the configuration could not be read");
    }
    if (!parser.ParseJson(config.json_.c_str()))
      return Failed("the configuration could not be built: {}", parser.error_);
    const std::string_view bytes(reinterpret_cast<const char*>(parser.builder_.GetBufferPointer()),
                                 parser.builder_.GetSize());
    ORRERY_ASSIGN_OR_RETURN(config.buffer_, Chunk<Config>::Verified(bytes));
    return config;
  }

  // All keys that have a value; with a fingerprint, that one first.
  std::string Json(std::string_view fingerprint) const {
    std::string text = "{";
    std::string_view separator = "\n";
    if (!fingerprint.empty()) {
      text += fmt::format("\n  \"{}\": \"{}\"", kFingerprintKey, fingerprint);
      separator = ",\n";
    }
    for (const ConfigSection& section : Keys().sections) {
      text += fmt::format("{}  \"{}\": {{", separator, section.name);
      separator = "\n";
      for (const ConfigKey& key : section.keys) {
        const std::string* value = Find(key);
        if (value == nullptr) continue;
        text += fmt::format("{}    \"{}\": {}", separator, LastPart(key.name), *value);
        separator = ",\n";
      }
      text += "\n  }";
      separator = ",\n";
    }
    return text + "\n}\n";
  }

 private:
  static Status CheckOnce(const std::string& place, const std::string& key, int line,
                          std::map<std::string, int>* first_lines) {
    const auto [first, added] = first_lines->try_emplace(key, line);
    if (added) return absl::OkStatus();
    return InvalidInput("{}: expected each key once, found {} again (first in line {})", place, DescribeText(key),
                        first->second);
  }

  const std::string* Find(const ConfigKey& key) const {
    const auto found = values_.find(key.name);
    if (found != values_.end()) return &found->second.json;
    return key.standard ? &*key.standard : nullptr;
  }

  // Sorted by name, so that a schema put into another order keeps its fingerprints.
  std::string Fingerprint() const {
    std::map<std::string_view, const std::string*> results;
    for (const ConfigSection& section : Keys().sections) {
      for (const ConfigKey& key : section.keys) {
        if (key.mark != KeyMark::kResult) continue;
        if (const std::string* value = Find(key)) results[key.name] = value;
      }
    }
    Sha256 hash;
    hash.UpdateSized(Keys().version);
    for (const auto& [name, value] : results) {
      hash.UpdateSized(name);
      hash.UpdateSized(*value);
    }
    return Hex(hash.Finish());
  }

  decltype(ResolvedConfig::values_) values_;
};

StatusOr<KeyValue> ParseKeyValue(std::string_view text, std::string origin) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return InvalidInput("{}: expected key=value, found {}", origin, DescribeText(text));
  }
  return KeyValue{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)), std::move(origin)};
}

bool ResolvedConfig::IsSet(std::string_view key) const {
  const auto found = values_.find(key);
  return found != values_.end() && found->second.layer == Layer::kSet;
}

StatusOr<ResolvedConfig> ResolvedConfig::WithDefaults(const std::vector<KeyValue>& defaults) const {
  ConfigResolver builder(*this);
  for (const KeyValue& setting : defaults) ORRERY_RETURN_IF_ERROR(builder.AddDefault(setting));
  return builder.Build();
}

std::string ResolvedConfig::Record() const { return ConfigResolver(*this).Json(fingerprint_); }

StatusOr<ResolvedConfig> LoadConfig(const ConfigSource& source) {
  ConfigResolver builder;
  for (const auto& file : source.files) {
    ORRERY_ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
    ORRERY_RETURN_IF_ERROR(builder.AddFile(text, file.string()));
  }
  for (const KeyValue& setting : source.settings) ORRERY_RETURN_IF_ERROR(builder.AddSetting(setting));
  return builder.Build();
}

StatusOr<ResolvedConfig> ParseConfig(std::string_view text, std::string_view name,
                                     const std::vector<KeyValue>& settings) {
  ConfigResolver builder;
  ORRERY_RETURN_IF_ERROR(builder.AddFile(text, name));
  for (const KeyValue& setting : settings) ORRERY_RETURN_IF_ERROR(builder.AddSetting(setting));
  return builder.Build();
}

StatusOr<ResolvedConfig> ResolveConfig(const std::vector<ReadConfig>& files, const std::vector<KeyValue>& settings) {
  ConfigResolver builder;
  for (const ReadConfig& file : files) ORRERY_RETURN_IF_ERROR(builder.AddFile(file.root, file.name));
  for (const KeyValue& setting : settings) ORRERY_RETURN_IF_ERROR(builder.AddSetting(setting));
  return builder.Build();
}

Status CheckValue(std::string_view place, const std::string& key, const JsonValue& value) {
  return ConfigResolver().Add(place, key, value);
}

}  // namespace orrery::schema
