// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer/bpe.h"

#include <algorithm>
#include <queue>
#include <unordered_map>

namespace orrery::model {
namespace {

bool WritesItself(int byte) { return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE; }

// The byte-level characters of all bytes; all are below U+0144.
std::array<int, 256> ByteCharacters() {
  std::array<int, 256> characters{};
  int other = 0x100;
  for (int byte = 0; byte < 256; ++byte) characters[byte] = WritesItself(byte) ? byte : other++;
  return characters;
}

std::string Utf8(int code_point) {  // below U+0800
  if (code_point < 0x80) return std::string(1, static_cast<char>(code_point));
  return {static_cast<char>(0xC0 | (code_point >> 6)), static_cast<char>(0x80 | (code_point & 63))};
}

constexpr int kByteLevelCharacters = 0x144;

std::array<int, kByteLevelCharacters> CharacterBytes() {
  std::array<int, kByteLevelCharacters> bytes;
  bytes.fill(-1);
  const auto characters = ByteCharacters();
  for (int byte = 0; byte < 256; ++byte) bytes[characters[byte]] = byte;
  return bytes;
}

// Pieces up to this many symbols are scanned for their best pair at every merge: quicker there than a heap.
constexpr size_t kLongestScan = 48;

uint64_t Pair(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

}  // namespace

std::string FromByteLevel(std::string_view text) {
  static const auto kBytes = CharacterBytes();
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    int character = static_cast<uint8_t>(text[i]);
    if (character >= 0x80) {
      const bool two = (character & 0xE0) == 0xC0 && i + 1 < text.size();
      character = two ? (character & 31) << 6 | (static_cast<uint8_t>(text[i + 1]) & 63) : kByteLevelCharacters;
      ++i;
    }
    if (character >= kByteLevelCharacters || kBytes[character] < 0) return std::string(text);
    bytes += static_cast<char>(kBytes[character]);
  }
  return bytes;
}

const BpeMerges::Rule* BpeMerges::Find(int32_t left, int32_t right) const {
  const uint64_t pair = Pair(left, right);
  const size_t mask = table_.size() - 1;
  for (size_t at = (pair * 0x9E3779B97F4A7C15u) >> 32 & mask;; at = (at + 1) & mask) {
    if (table_[at].pair == pair) return &table_[at];
    if (table_[at].pair == kNone) return nullptr;
  }
}

void BpeMerges::Insert(const Rule& merge) {
  const size_t mask = table_.size() - 1;
  size_t at = (merge.pair * 0x9E3779B97F4A7C15u) >> 32 & mask;
  while (table_[at].pair != kNone && table_[at].pair != merge.pair) at = (at + 1) & mask;
  table_[at] = merge;  // of two equal merges the later counts, as in the reference
}

void BpeMerges::Reserve(size_t merges) {
  size_t capacity = 16;
  while (capacity < 2 * merges) capacity *= 2;
  table_.assign(capacity, {kNone, 0, 0});
}

StatusOr<std::vector<MergePair>> SplitMerges(std::span<const std::string_view> merges, std::string_view name) {
  std::vector<MergePair> pairs;
  pairs.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string_view merge = merges[rank];
    const size_t space = merge.find(' ');
    if (space == std::string_view::npos || merge.find(' ', space + 1) != std::string_view::npos)
      return InvalidInput("{}: merge {} ('{}'): two texts with one space between were expected", name, rank, merge);
    pairs.push_back({merge.substr(0, space), merge.substr(space + 1)});
  }
  return pairs;
}

StatusOr<BpeMerges> BpeMerges::Create(std::span<const std::string_view> tokens, std::span<const MergePair> merges,
                                      std::string_view name) {
  std::unordered_map<std::string_view, int32_t> ids;
  ids.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) ids[tokens[i]] = static_cast<int32_t>(i);

  BpeMerges result;
  const auto characters = ByteCharacters();
  for (int byte = 0; byte < 256; ++byte) {
    const auto found = ids.find(Utf8(characters[byte]));
    result.byte_tokens_[byte] = found == ids.end() ? -1 : found->second;
  }
  result.Reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const auto l = ids.find(left), r = ids.find(right), both = ids.find(std::string(left) + std::string(right));
    if (l == ids.end() || r == ids.end() || both == ids.end()) {
      return InvalidInput("{}: merge {} ('{} {}'): one of its texts, or both joined, is not a token", name, rank, left,
                          right);
    }
    result.Insert({Pair(l->second, r->second), static_cast<uint32_t>(rank), both->second});
  }
  return result;
}

BpeMerges BpeMerges::FromScores(std::span<const std::string_view> tokens, std::span<const double> scores,
                                const std::vector<bool>& may) {
  std::unordered_map<std::string_view, int32_t> ids;
  std::vector<int32_t> best_first;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!may[i]) continue;
    ids.emplace(tokens[i], static_cast<int32_t>(i));
    best_first.push_back(static_cast<int32_t>(i));
  }
  std::stable_sort(best_first.begin(), best_first.end(), [&](int32_t a, int32_t b) { return scores[a] > scores[b]; });
  std::vector<Rule> rules;
  uint32_t rank = 0;  // equal scores have equal ranks: of those the leftmost pair merges first
  for (size_t i = 0; i < best_first.size(); ++i) {
    if (i > 0 && scores[best_first[i]] < scores[best_first[i - 1]]) ++rank;
    const std::string_view text = tokens[best_first[i]];
    for (size_t cut = 1; cut < text.size(); ++cut) {
      if ((static_cast<uint8_t>(text[cut]) & 0xC0) == 0x80) continue;
      const auto left = ids.find(text.substr(0, cut)), right = ids.find(text.substr(cut));
      if (left == ids.end() || right == ids.end()) continue;
      rules.push_back({Pair(left->second, right->second), rank, best_first[i]});
    }
  }
  BpeMerges result;
  result.byte_tokens_.fill(-1);
  result.Reserve(rules.size());
  for (const Rule& rule : rules) result.Insert(rule);
  return result;
}

void BpeMerges::Encode(std::string_view piece, std::vector<int32_t>* tokens) const {
  const size_t first = tokens->size();
  for (const char byte : piece) {
    if (const int32_t token = byte_tokens_[static_cast<uint8_t>(byte)]; token >= 0) tokens->push_back(token);
  }
  Merge(tokens, first);
}

void BpeMerges::Merge(std::vector<int32_t>* tokens, size_t first) const {
  if (tokens->size() - first <= kLongestScan) return MergeByScan(tokens, first);
  MergeByHeap(tokens, first);
}

void BpeMerges::MergeByScan(std::vector<int32_t>* tokens, size_t first) const {
  int32_t* symbols = tokens->data() + first;
  size_t count = tokens->size() - first;
  if (count < 2) return;
  std::array<const Rule*, kLongestScan> merges;  // of symbols i and i + 1
  for (size_t i = 0; i + 1 < count; ++i) merges[i] = Find(symbols[i], symbols[i + 1]);
  for (;;) {
    size_t best = count;
    for (size_t i = 0; i + 1 < count; ++i) {
      if (merges[i] != nullptr && (best == count || merges[i]->rank < merges[best]->rank)) best = i;
    }
    if (best == count) break;
    symbols[best] = merges[best]->token;
    for (size_t i = best + 1; i + 1 < count; ++i) symbols[i] = symbols[i + 1], merges[i - 1] = merges[i];
    --count;
    if (best > 0) merges[best - 1] = Find(symbols[best - 1], symbols[best]);
    if (best + 1 < count) merges[best] = Find(symbols[best], symbols[best + 1]);
  }
  tokens->resize(first + count);
}

void BpeMerges::MergeByHeap(std::vector<int32_t>* tokens, size_t first) const {
  struct Candidate {
    uint32_t rank;
    int32_t at;  // the left symbol
    int32_t token;
    bool operator<(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
  };
  const auto count = static_cast<int32_t>(tokens->size() - first);
  std::vector<Symbol> symbols(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) symbols[i] = {(*tokens)[first + i], i - 1, i + 1 < count ? i + 1 : -1};

  std::priority_queue<Candidate> candidates;
  const auto consider = [&](int32_t left) {
    if (left < 0 || symbols[left].next < 0) return;
    const Rule* merge = Find(symbols[left].token, symbols[symbols[left].next].token);
    if (merge != nullptr) candidates.push({merge->rank, left, merge->token});
  };
  for (int32_t i = 0; i + 1 < count; ++i) consider(i);
  constexpr int32_t kGone = -1;  // the token of a symbol that was joined to its left neighbour
  while (!candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    Symbol& left = symbols[best.at];
    if (left.token == kGone || left.next < 0) continue;
    Symbol& right = symbols[left.next];
    const Rule* merge = Find(left.token, right.token);
    if (merge == nullptr || merge->token != best.token) continue;  // one of the two has changed since
    left.token = merge->token;
    right.token = kGone;
    left.next = right.next;
    if (left.next >= 0) symbols[left.next].previous = best.at;
    consider(left.previous);
    consider(best.at);
  }
  tokens->resize(first);
  for (int32_t i = 0; i >= 0; i = symbols[i].next) tokens->push_back(symbols[i].token);
}

}  // namespace orrery::model
