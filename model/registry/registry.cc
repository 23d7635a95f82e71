// SPDX-License-Identifier: Apache-2.0
#include "model/registry/registry.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace orrery::model {
namespace {

using Json = nlohmann::json;

// Reads the fields of one object, with errors that name the file, the object and the field.
class Fields {
 public:
  Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}

  StatusOr<std::string> Text(const char* field) const {
    if (!object_.is_object() || !object_.contains(field) || !object_[field].is_string() ||
        object_[field].get_ref<const std::string&>().empty()) {
      return InvalidInput("{}: \"{}\": a text that is not empty was expected", where_, field);
    }
    return object_[field].get<std::string>();
  }
  StatusOr<uint64_t> Size() const {
    if (!object_.is_object() || !object_.contains("size") || !object_["size"].is_number_unsigned() ||
        object_["size"] == 0u) {
      return InvalidInput("{}: \"size\": a number of bytes above 0 was expected", where_);
    }
    return object_["size"].get<uint64_t>();
  }
  StatusOr<std::string> Sha256Text() const {
    ORRERY_ASSIGN_OR_RETURN(std::string text, Text("sha256"));
    const bool hexadecimal =
        std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
    if (text.size() != 64 || !hexadecimal)
      return InvalidInput("{}: \"sha256\": 64 lower-case hexadecimal digits were expected", where_);
    return text;
  }
  // A text that may become a file's name in the cache.
  StatusOr<std::string> PlainName(const char* field) const {
    ORRERY_ASSIGN_OR_RETURN(std::string text, Text(field));
    const bool plain = std::all_of(text.begin(), text.end(),
                                   [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '-' || c == '_'; });
    if (!plain || text[0] == '.' || text[0] == '-') {
      return InvalidInput("{}: \"{}\": letters, digits, '.', '-' and '_' were expected, in '{}'", where_, field, text);
    }
    return text;
  }
  StatusOr<const Json*> List(const char* field) const {
    if (!object_.is_object() || !object_.contains(field) || !object_[field].is_array() || object_[field].empty()) {
      return InvalidInput("{}: \"{}\": a list that is not empty was expected", where_, field);
    }
    return &object_[field];
  }

 private:
  const Json& object_;
  std::string where_;
};

StatusOr<ModelWheel> ReadWheel(const Json& object, const std::string& where) {
  const Fields fields(object, where);
  ModelWheel wheel;
  ORRERY_ASSIGN_OR_RETURN(wheel.project, fields.PlainName("project"));
  ORRERY_ASSIGN_OR_RETURN(wheel.version, fields.PlainName("version"));
  ORRERY_ASSIGN_OR_RETURN(wheel.file, fields.PlainName("file"));
  ORRERY_ASSIGN_OR_RETURN(wheel.size, fields.Size());
  ORRERY_ASSIGN_OR_RETURN(wheel.sha256, fields.Sha256Text());
  ORRERY_ASSIGN_OR_RETURN(wheel.member, fields.Text("member"));
  return wheel;
}

StatusOr<ModelEntry> ReadEntry(const Json& object, const std::string& where) {
  const Fields fields(object, where);
  ModelEntry entry;
  ORRERY_ASSIGN_OR_RETURN(entry.name, fields.PlainName("name"));
  ORRERY_ASSIGN_OR_RETURN(entry.about, fields.Text("about"));
  ORRERY_ASSIGN_OR_RETURN(entry.license, fields.Text("license"));
  ORRERY_ASSIGN_OR_RETURN(entry.size, fields.Size());
  ORRERY_ASSIGN_OR_RETURN(entry.sha256, fields.Sha256Text());
  ORRERY_ASSIGN_OR_RETURN(const Json* wheels, fields.List("wheels"));
  for (size_t i = 0; i < wheels->size(); ++i) {
    ORRERY_ASSIGN_OR_RETURN(ModelWheel wheel, ReadWheel((*wheels)[i], fmt::format("{}: wheels[{}]", where, i)));
    entry.wheels.push_back(std::move(wheel));
  }
  return entry;
}

}  // namespace

StatusOr<Registry> Registry::Load(const std::filesystem::path& path) {
  ORRERY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false, /*ignore_comments=*/true);
  if (json.is_discarded()) return InvalidInput("{}: not JSON", path.string());
  const std::string where = path.string();
  ORRERY_ASSIGN_OR_RETURN(const Json* models, Fields(json, where).List("models"));
  Registry registry;
  for (size_t i = 0; i < models->size(); ++i) {
    ORRERY_ASSIGN_OR_RETURN(ModelEntry entry, ReadEntry((*models)[i], fmt::format("{}: models[{}]", where, i)));
    if (registry.Find(entry.name) != nullptr)
      return InvalidInput("{}: models[{}]: the name '{}' occurs twice", where, i, entry.name);
    registry.entries_.push_back(std::move(entry));
  }
  return registry;
}

StatusOr<Registry> Registry::Load() {
  ORRERY_ASSIGN_OR_RETURN(const std::filesystem::path path, DataFile("configs/models.json"));
  return Load(path);
}

const ModelEntry* Registry::Find(std::string_view name) const {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const ModelEntry& entry) { return entry.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

std::vector<std::string> Registry::Names() const {
  std::vector<std::string> names;
  for (const ModelEntry& entry : entries_) names.push_back(entry.name);
  return names;
}

std::filesystem::path ModelPath(const std::filesystem::path& cache, std::string_view name) {
  return cache / "models" / fmt::format("{}.gguf", name);
}

}  // namespace orrery::model
