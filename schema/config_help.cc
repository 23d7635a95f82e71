// SPDX-License-Identifier: Apache-2.0
#include "schema/config.h"
#include "schema/config_keys.h"

namespace orrery::schema {
namespace {

// Appends the text, broken at blanks, each line after `indent` blanks.
void Wrap(std::string_view text, size_t indent, size_t width, std::string* out) {
  size_t column = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (column != 0 && column + 1 + word.size() > width) {
      *out += '\n';
      column = 0;
    }
    if (column == 0) {
      *out += std::string(indent, ' ');
      column = indent;
    } else {
      *out += ' ';
      ++column;
    }
    *out += word;
    column += word.size();
  }
  *out += '\n';
}

std::string Values(const ConfigKey& key) {
  if (!key.choices.empty()) {
    std::string text;
    for (const std::string& choice : key.choices) text += (text.empty() ? "" : " | ") + choice;
    return text;
  }
  return key.type == KeyType::kString ? "text" : Expected(key);
}

std::string Standard(const ConfigKey& key) {
  if (!key.standard) return key.otherwise;
  const std::string& text = *key.standard;
  return text.front() == '"' ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

std::string ConfigHelp(size_t width) {
  std::string text;
  Wrap(
      "Keys of the configuration, for JSON files (// and /* */ comments are welcome) and for --set key=value. "
      "[result]: the records depend on it. [machine]: only where and how fast; a run may be resumed under another "
      "value. "
      "[budget]: how far the search goes; a finished run can be extended. [training]: what a training makes depends on "
      "it; campaigns pass over it.",
      0, width, &text);
  return text + KeysHelp(Keys(), width);
}

std::string KeysHelp(const ConfigKeys& keys, size_t width) {
  std::string text;
  for (const ConfigSection& section : keys.sections) {
    text += '\n';
    Wrap(section.name + ": " + section.comment, 0, width, &text);
    for (const ConfigKey& key : section.keys) {
      Wrap(fmt::format("{} [{}] {}; default: {}", key.name, Name(key.mark), Values(key), Standard(key)), 2, width,
           &text);
      Wrap(key.comment, 6, width, &text);
    }
  }
  return text;
}

}  // namespace orrery::schema
