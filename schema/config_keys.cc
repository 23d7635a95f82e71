// SPDX-License-Identifier: Apache-2.0
#include "schema/config_keys.h"

#include <flatbuffers/reflection.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "schema/config_schema.h"

namespace orrery::schema {
namespace {

// Of digits after an optional minus; empty where it does not fit 64 bits.
std::optional<WideInteger> ParseInteger(std::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  uint64_t magnitude = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), magnitude);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return negative ? -static_cast<WideInteger>(magnitude) : static_cast<WideInteger>(magnitude);
}

std::optional<double> ParseReal(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

// The shortest digits that read back to the same number; both zeros are "0".
std::string RealText(double value) { return fmt::format("{}", value == 0 ? 0.0 : value); }

std::optional<std::string> Attribute(const flatbuffers::Vector<flatbuffers::Offset<reflection::KeyValue>>* attributes,
                                     std::string_view name) {
  if (attributes == nullptr) return std::nullopt;
  for (const auto* attribute : *attributes) {
    if (attribute->key()->string_view() == name) return attribute->value() == nullptr ? "" : attribute->value()->str();
  }
  return std::nullopt;
}

// A comment's lines, joined by blanks; each line keeps flatc's leading blank until here.
template <class Documented>
std::string Comment(const Documented& item) {
  std::string text;
  if (item.documentation() == nullptr) return text;
  for (const auto* line : *item.documentation()) {
    std::string_view words = line->string_view();
    while (!words.empty() && words.front() == ' ') words.remove_prefix(1);
    while (!words.empty() && words.back() == ' ') words.remove_suffix(1);
    if (!text.empty() && !words.empty()) text += ' ';
    text += words;
  }
  return text;
}

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

struct IntegerRange {
  WideInteger least, most;
};

template <class T>
IntegerRange RangeOf() {
  return {std::numeric_limits<T>::min(), std::numeric_limits<T>::max()};
}

std::optional<IntegerRange> RangeOf(reflection::BaseType type) {
  switch (type) {
    case reflection::Byte: return RangeOf<int8_t>();
    case reflection::UByte: return RangeOf<uint8_t>();
    case reflection::Short: return RangeOf<int16_t>();
    case reflection::UShort: return RangeOf<uint16_t>();
    case reflection::Int: return RangeOf<int32_t>();
    case reflection::UInt: return RangeOf<uint32_t>();
    case reflection::Long: return RangeOf<int64_t>();
    case reflection::ULong: return RangeOf<uint64_t>();
    default: return std::nullopt;
  }
}

class KeyReader {
 public:
  KeyReader(const reflection::Schema& schema, const reflection::Field& field, std::string name)
      : schema_(schema), field_(field) {
    key_.name = std::move(name);
    key_.comment = Comment(field);
  }

  StatusOr<ConfigKey> Read() {
    ORRERY_RETURN_IF_ERROR(ReadMark());
    const reflection::Type& type = *field_.type();
    if (type.base_type() == reflection::String) {
      key_.type = KeyType::kString;
      if (auto choices = Attribute(field_.attributes(), "one_of")) key_.choices = Split(*choices, '|');
      if (auto text = Attribute(field_.attributes(), "default")) key_.standard = QuoteJson(*text);
    } else if (type.index() >= 0) {
      ORRERY_RETURN_IF_ERROR(ReadEnum());
    } else if (type.base_type() == reflection::Bool) {
      key_.type = KeyType::kBool;
      key_.standard = field_.default_integer() != 0 ? "true" : "false";
    } else if (type.base_type() == reflection::Float || type.base_type() == reflection::Double) {
      ORRERY_RETURN_IF_ERROR(ReadReal());
    } else if (const auto range = RangeOf(type.base_type())) {
      ORRERY_RETURN_IF_ERROR(ReadInteger(*range));
    } else {
      return InvalidInput("schema: {}: expected a plain value, found {}", key_.name,
                          reflection::EnumNameBaseType(type.base_type()));
    }
    ORRERY_RETURN_IF_ERROR(CheckStandard());
    return std::move(key_);
  }

 private:
  Status ReadMark() {
    int marks = 0;
    for (KeyMark mark : {KeyMark::kResult, KeyMark::kMachine, KeyMark::kBudget, KeyMark::kTraining, KeyMark::kPlan}) {
      if (!Attribute(field_.attributes(), Name(mark))) continue;
      key_.mark = mark;
      ++marks;
    }
    if (marks != 1)
      return InvalidInput("schema: {}: expected exactly one of result, machine, budget, training, plan, found {}",
                          key_.name, marks);
    if (key_.comment.empty()) return InvalidInput("schema: {}: expected a /// comment, found none", key_.name);
    return absl::OkStatus();
  }

  Status ReadEnum() {
    key_.type = KeyType::kEnum;
    for (const auto* value :
         *schema_.enums()->Get(static_cast<flatbuffers::uoffset_t>(field_.type()->index()))->values()) {
      key_.choices.push_back(value->name()->str());
      if (value->value() == field_.default_integer()) key_.standard = QuoteJson(value->name()->str());
    }
    return absl::OkStatus();
  }

  Status ReadReal() {
    key_.type = KeyType::kReal;
    key_.standard = RealText(field_.default_real());
    for (auto [name, bound] :
         {std::pair("min", &key_.minimum), std::pair("max", &key_.maximum), std::pair("above", &key_.above)}) {
      const auto text = Attribute(field_.attributes(), name);
      if (!text) continue;
      *bound = ParseReal(*text);
      if (!*bound) return InvalidInput("schema: {}: {}: expected a number, found \"{}\"", key_.name, name, *text);
    }
    return absl::OkStatus();
  }

  Status ReadInteger(IntegerRange range) {
    key_.type = KeyType::kInteger;
    // A signed field in the reflection: flatc writes 0 for an unsigned default above it.
    key_.standard = fmt::format("{}", field_.default_integer());
    key_.least = range.least;
    key_.most = range.most;
    for (auto [name, bound] : {std::pair("min", &key_.least), std::pair("max", &key_.most)}) {
      const auto text = Attribute(field_.attributes(), name);
      if (!text) continue;
      const auto value = ParseInteger(*text);
      if (!value || *value < range.least || *value > range.most) {
        return InvalidInput("schema: {}: {}: expected a whole number that the type holds, found \"{}\"", key_.name,
                            name, *text);
      }
      *bound = *value;
    }
    return absl::OkStatus();
  }

  Status CheckStandard() {
    if (field_.optional() && key_.type != KeyType::kString) {
      key_.standard.reset();
      key_.otherwise = Attribute(field_.attributes(), "otherwise").value_or("");
      if (key_.otherwise.empty())
        return InvalidInput("schema: {}: expected the attribute otherwise beside = null, found none", key_.name);
      return absl::OkStatus();
    }
    if (!key_.standard) return InvalidInput("schema: {}: expected a default, found none", key_.name);
    ORRERY_ASSIGN_OR_RETURN(const JsonValue value, ReadJson(*key_.standard, "schema"));
    if (!Canonical(key_, value))
      return InvalidInput("schema: {}: default: expected {}, found {}", key_.name, Expected(key_), *key_.standard);
    return absl::OkStatus();
  }

  const reflection::Schema& schema_;
  const reflection::Field& field_;
  ConfigKey key_;
};

// Fields in the order they are declared; the reflection sorts them by name.
std::vector<const reflection::Field*> Fields(const reflection::Object& object) {
  std::vector<const reflection::Field*> fields(object.fields()->begin(), object.fields()->end());
  std::sort(fields.begin(), fields.end(), [](const auto* a, const auto* b) { return a->id() < b->id(); });
  return fields;
}

std::string Choices(const std::vector<std::string>& choices) {
  std::string text;
  for (const std::string& choice : choices) text += (text.empty() ? "\"" : ", \"") + choice + '"';
  return text;
}

}  // namespace

std::string_view Name(KeyMark mark) {
  switch (mark) {
    case KeyMark::kResult: return "result";
    case KeyMark::kMachine: return "machine";
    case KeyMark::kBudget: return "budget";
    case KeyMark::kTraining: return "training";
    case KeyMark::kPlan: return "plan";
  }
  return "?";
}

const ConfigSection* ConfigKeys::FindSection(std::string_view name) const {
  for (const ConfigSection& section : sections) {
    if (section.name == name) return &section;
  }
  return nullptr;
}

const ConfigKey* ConfigKeys::Find(std::string_view name) const {
  for (const ConfigSection& section : sections) {
    for (const ConfigKey& key : section.keys) {
      if (key.name == name) return &key;
    }
  }
  return nullptr;
}

StatusOr<ConfigKeys> ReadConfigKeys(std::string_view compiled_schema) {
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(compiled_schema.data()), compiled_schema.size());
  if (!reflection::VerifySchemaBuffer(verifier)) return InvalidInput("schema: expected a compiled FlatBuffers schema");
  const reflection::Schema& schema = *reflection::GetSchema(compiled_schema.data());
  if (schema.root_table() == nullptr) return InvalidInput("schema: expected a root table, found none");
  ConfigKeys keys;
  keys.version = Attribute(schema.root_table()->attributes(), "version").value_or("");
  if (keys.version.empty()) return InvalidInput("schema: expected the attribute version on the root table, found none");
  for (const auto* part : Fields(*schema.root_table())) {
    ConfigSection section;
    section.name = part->name()->str();
    if (part->type()->base_type() != reflection::Obj) return InvalidInput("schema: {}: expected a table", section.name);
    const auto& table = *schema.objects()->Get(static_cast<flatbuffers::uoffset_t>(part->type()->index()));
    section.comment = Comment(table);
    for (const auto* field : Fields(table)) {
      ORRERY_ASSIGN_OR_RETURN(ConfigKey key,
                              KeyReader(schema, *field, section.name + "." + field->name()->str()).Read());
      section.keys.push_back(std::move(key));
    }
    keys.sections.push_back(std::move(section));
  }
  return keys;
}

std::string_view CompiledConfigSchema() { return {reinterpret_cast<const char*>(kConfigSchema), kConfigSchemaSize}; }

const ConfigKeys& Keys() {
  // A schema that breaks its rules does not pass the tests; a program that carries one cannot go on.
  static const ConfigKeys keys = [] {
    StatusOr<ConfigKeys> read = ReadConfigKeys(CompiledConfigSchema());
    if (!read.ok()) {
      std::fprintf(stderr, "%s\n", Message(read.status()).c_str());
      std::abort();
    }
    return *std::move(read);
  }();
  return keys;
}

std::string Expected(const ConfigKey& key) {
  switch (key.type) {
    case KeyType::kBool: return "true or false";
    case KeyType::kEnum: return "one of " + Choices(key.choices);
    case KeyType::kString: return key.choices.empty() ? "text in quotes" : "one of " + Choices(key.choices);
    case KeyType::kInteger: return fmt::format("a whole number from {} to {}", key.least, key.most);
    case KeyType::kReal: break;
  }
  std::string text = "a number";
  if (key.minimum) text += fmt::format(" from {}", RealText(*key.minimum));
  if (key.above) text += fmt::format(" above {}", RealText(*key.above));
  if (key.maximum) text += fmt::format("{} to {}", key.above ? " and up" : "", RealText(*key.maximum));
  return text;
}

std::optional<std::string> Canonical(const ConfigKey& key, const JsonValue& value) {
  using Kind = JsonValue::Kind;
  switch (key.type) {
    case KeyType::kBool:
      if (value.kind != Kind::kBool) return std::nullopt;
      return value.text;
    case KeyType::kEnum:
    case KeyType::kString:
      if (value.kind != Kind::kString) return std::nullopt;
      if (!key.choices.empty() && std::find(key.choices.begin(), key.choices.end(), value.text) == key.choices.end())
        return std::nullopt;
      return QuoteJson(value.text);
    case KeyType::kInteger: {
      if (value.kind != Kind::kNumber) return std::nullopt;
      const auto number = ParseInteger(value.text);
      if (!number || *number < key.least || *number > key.most) return std::nullopt;
      return fmt::format("{}", *number);
    }
    case KeyType::kReal: break;
  }
  if (value.kind != Kind::kNumber) return std::nullopt;
  const auto number = ParseReal(value.text);
  if (!number || (key.minimum && *number < *key.minimum) || (key.maximum && *number > *key.maximum))
    return std::nullopt;
  if (key.above && !(*number > *key.above)) return std::nullopt;
  return RealText(*number);
}

}  // namespace orrery::schema
