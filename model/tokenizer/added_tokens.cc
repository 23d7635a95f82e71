// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer/added_tokens.h"

#include <algorithm>

#include "model/tokenizer/unicode.h"

namespace orrery::model {
namespace {

// The place of the last character of `text`, which is not empty and well-formed.
size_t LastCharacter(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

bool EndsWithWord(std::string_view text) {
  return !text.empty() && IsWord(FirstCodePoint(text.substr(LastCharacter(text))));
}
bool BeginsWithWord(std::string_view text) { return !text.empty() && IsWord(FirstCodePoint(text)); }

size_t WithoutSpaceAtEnd(std::string_view text) {
  while (!text.empty() && IsSpace(FirstCodePoint(text.substr(LastCharacter(text)))))
    text = text.substr(0, LastCharacter(text));
  return text.size();
}

size_t SpaceAtStart(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && IsSpace(FirstCodePoint(text.substr(at)))) {
    ++at;
    while (at < text.size() && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) ++at;
  }
  return at;
}

}  // namespace

void AddedTokens::Add(std::string text, const AddedToken& token) {
  if (text.empty()) return;
  const auto [place, is_new] = tokens_.insert_or_assign(std::move(text), token);
  if (!is_new) return;
  auto& longest_first = by_first_[place->first[0]];
  const auto shorter = std::find_if(longest_first.begin(), longest_first.end(),
                                    [&](const auto* other) { return other->first.size() < place->first.size(); });
  longest_first.insert(shorter, &*place);
}

const std::pair<const std::string, AddedToken>* AddedTokens::At(std::string_view rest) const {
  const auto candidates = by_first_.find(rest[0]);
  if (candidates == by_first_.end()) return nullptr;
  for (const auto* candidate : candidates->second) {
    if (rest.starts_with(candidate->first)) return candidate;
  }
  return nullptr;
}

void AddedTokens::Split(std::string_view text, std::vector<Piece>* pieces) const {
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const auto* found = At(text.substr(at));
    if (found == nullptr) {
      ++at;
      continue;
    }
    const AddedToken& token = found->second;
    size_t begin = at, end = at + found->first.size();
    at = end;
    if (token.single_word && (EndsWithWord(text.substr(0, begin)) || BeginsWithWord(text.substr(end)))) continue;
    if (token.lstrip) begin = std::max(done, WithoutSpaceAtEnd(text.substr(0, begin)));
    if (token.rstrip) end += SpaceAtStart(text.substr(end));
    if (done < begin) pieces->push_back({text.substr(done, begin - done), kText});
    pieces->push_back({text.substr(begin, end - begin), token.id});
    done = end;
    at = std::max(at, end);
  }
  if (done < text.size()) pieces->push_back({text.substr(done), kText});
}

}  // namespace orrery::model
