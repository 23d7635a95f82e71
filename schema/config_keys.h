// SPDX-License-Identifier: Apache-2.0
#pragma once

// The keys of a configuration as the compiled schema (config.fbs through flatc's reflection) describes them: the
// reader, the help and the fingerprint all work from this list, so that none of them can disagree with the schema.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "schema/json.h"

namespace orrery::schema {

// Holds every int64 and every uint64.
using WideInteger = __int128;

enum class KeyType { kBool, kInteger, kReal, kString, kEnum };

// What a key's value has to do with a campaign's records (config.fbs).
enum class KeyMark { kResult, kMachine, kBudget, kTraining, kPlan };

std::string_view Name(KeyMark mark);

struct ConfigKey {
  std::string name;  // "search.rollouts"
  KeyType type = KeyType::kString;
  KeyMark mark = KeyMark::kResult;
  WideInteger least = 0, most = 0;         // of an integer, both included
  std::optional<double> minimum, maximum;  // of a real number, both included
  std::optional<double> above;             // of a real number, excluded
  std::vector<std::string> choices;        // of an enum, or of a string that has a list of them
  std::optional<std::string> standard;     // the default in canonical form; empty: the key has none of its own
  std::string otherwise;                   // in words, where there is no default: what serves when nobody set it
  std::string comment;
};

struct ConfigSection {
  std::string name;
  std::string comment;
  std::vector<ConfigKey> keys;
};

struct ConfigKeys {
  std::string version;
  std::vector<ConfigSection> sections;

  const ConfigKey* Find(std::string_view name) const;
  const ConfigSection* FindSection(std::string_view name) const;
};

// Reads a compiled schema (flatc --schema -b --bfbs-comments). Its root is a table of tables of plain values.
// InvalidInput names what breaks the rules of config.fbs: a key without exactly one mark, a range that is no number, a
// default outside of it.
StatusOr<ConfigKeys> ReadConfigKeys(std::string_view compiled_schema);

// config.fbs as it was compiled into this program, and its keys.
std::string_view CompiledConfigSchema();
const ConfigKeys& Keys();

// "a whole number from 1 to 255", "true or false", "one of skip, fatal".
std::string Expected(const ConfigKey& key);

// The value in canonical form (equal values are equal texts), or nothing if the key cannot take it.
std::optional<std::string> Canonical(const ConfigKey& key, const JsonValue& value);

}  // namespace orrery::schema
