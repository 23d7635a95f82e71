// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a run was told to do: configuration files and --set, checked key by key against config.fbs, resolved, with a
// fingerprint.
//
// Errors are one line, `FILE:LINE: search.rollouts: expected a whole number from 1 to 1000000, found "8"`; their exit
// code is 2.

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "schema/chunk.h"
#include "schema/config_generated.h"
#include "schema/json.h"

namespace orrery::schema {

// One key's value given outside a file. A string or an enum's value is written without quotes.
struct KeyValue {
  std::string key;               // "search.rollouts"
  std::string value;             // "16"
  std::string origin = "--set";  // what messages call the place: the flag that gave it
};

// Splits "key=value"; InvalidInput if there is no "=" or no key.
StatusOr<KeyValue> ParseKeyValue(std::string_view text, std::string origin = "--set");

// Where a configuration comes from. What comes later wins: the files in their order, then the settings in theirs.
struct ConfigSource {
  std::vector<std::filesystem::path> files;
  std::vector<KeyValue> settings;
};

// Every key's value. Copying is cheap enough for passing around (two strings and a shared buffer).
class ResolvedConfig {
 public:
  // The FlatBuffer: config->search()->candidates(). Sections and strings are never null; keys marked `= null` in
  // config.fbs are empty until WithDefaults gives them a value.
  const Config* operator->() const { return buffer_.get(); }
  const Config& operator*() const { return *buffer_; }
  const Chunk<Config>& buffer() const { return buffer_; }

  // True if a file or a setting gave this key ("search.rollouts"); the schema's default and WithDefaults do not count.
  bool IsSet(std::string_view key) const;

  // The same configuration in which every key that nobody set takes the value given here. A later call does not undo an
  // earlier one's.
  StatusOr<ResolvedConfig> WithDefaults(const std::vector<KeyValue>& defaults) const;

  // The resolved configuration as JSON that ParseConfig reads back to the same fingerprint: every key that has a value,
  // in the schema's order, a line each.
  const std::string& json() const { return json_; }

  // The same with the fingerprint as its first key, for a run's folder. The reader passes over that key.
  std::string Record() const;

  // 64 hexadecimal digits: SHA-256 over the schema's version and all result keys with their values. Call it after
  // WithDefaults.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  friend class ConfigResolver;
  enum class Layer { kDefault, kSet };
  struct Value {
    std::string json;  // canonical: equal values are equal texts
    Layer layer = Layer::kSet;
  };

  Chunk<Config> buffer_;
  std::string json_;
  std::string fingerprint_;
  std::map<std::string, Value, std::less<>> values_;  // without the schema's own defaults
};

// Reads and checks. NotFound for a missing file, InvalidInput for anything wrong in one.
StatusOr<ResolvedConfig> LoadConfig(const ConfigSource& source);

// The same for a text at hand; `name` is what messages call it.
StatusOr<ResolvedConfig> ParseConfig(std::string_view text, std::string_view name,
                                     const std::vector<KeyValue>& settings = {});

// A configuration file that was read already, without what is for other readers; `name` is what messages call it.
struct ReadConfig {
  std::string name;
  JsonValue root;
};
StatusOr<ResolvedConfig> ResolveConfig(const std::vector<ReadConfig>& files, const std::vector<KeyValue>& settings);

// Whether a key of the configuration may have a value that stands elsewhere, at `place` ("FILE:LINE").
Status CheckValue(std::string_view place, const std::string& key, const JsonValue& value);

struct ConfigKeys;

// All keys, made from the schema's own comments: key, type, default, range, mark, meaning; lines of at most `width`
// columns.
std::string ConfigHelp(size_t width);
// The same of other keys, without the words before them.
std::string KeysHelp(const ConfigKeys& keys, size_t width);

}  // namespace orrery::schema
