// SPDX-License-Identifier: Apache-2.0
#pragma once

// JSON with comments, read into values that know their line: what a configuration file is before anyone knows what its
// keys mean.
//
// Standard JSON (RFC 8259) in UTF-8, plus // and /* */ comments and a byte order mark. No trailing commas, no other
// liberties.

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace orrery::schema {

struct JsonMember;

struct JsonValue {
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  int line = 0;                     // where it begins; 1 is the first
  std::string text;                 // a number as it was written, a string's content in UTF-8, "true", "false", "null"
  std::vector<JsonMember> members;  // of an object, in the order written; a key given twice is there twice
  std::vector<JsonValue> elements;  // of an array
};

struct JsonMember {
  std::string key;
  int line = 0;  // of the key
  JsonValue value;
};

// Deeper nesting is an error: the reader recurses.
inline constexpr int kMaxJsonDepth = 32;

// InvalidInput `NAME:LINE: expected …, found …`. The text must hold one value and nothing after it.
StatusOr<JsonValue> ReadJson(std::string_view text, std::string_view name);

// What a message calls a value that was found: `"16"`, `7`, `null`, `a list`, `an object`; long texts are cut.
std::string Describe(const JsonValue& value);
std::string DescribeText(std::string_view text);

// True if every byte belongs to a well-formed UTF-8 sequence.
bool IsUtf8(std::string_view text);

// The text in quotes, escaped.
std::string QuoteJson(std::string_view text);

}  // namespace orrery::schema
