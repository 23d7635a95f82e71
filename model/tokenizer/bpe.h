// SPDX-License-Identifier: Apache-2.0
#pragma once

// Byte-pair merges: a piece of text as bytes becomes tokens by joining, again and again, the adjacent pair of lowest
// rank.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace orrery::model {

// The bytes that a token's text stands for in byte-level form, in which each of the 256 bytes is written as a printable
// character: 0x21–0x7E, 0xA1–0xAC and 0xAE–0xFF as themselves, the other 68 in order as U+0100 and on. A text with any
// other character stands for its own UTF-8 bytes.
std::string FromByteLevel(std::string_view text);

struct MergePair {
  std::string_view left, right;
};

// Merges written as two texts with one space between.
StatusOr<std::vector<MergePair>> SplitMerges(std::span<const std::string_view> merges, std::string_view name);

class BpeMerges {
 public:
  // `tokens[i]` is the text of token i (byte-level where bytes are to be encoded); the best merge is first. `name` is
  // for errors.
  static StatusOr<BpeMerges> Create(std::span<const std::string_view> tokens, std::span<const MergePair> merges,
                                    std::string_view name);
  // The merges of a SentencePiece model: any two tokens whose joined text is a token too may merge, that of the highest
  // score first. Tokens of which `may` is false take no part.
  static BpeMerges FromScores(std::span<const std::string_view> tokens, std::span<const double> scores,
                              const std::vector<bool>& may);

  // Appends the tokens of `piece`'s bytes. A byte without a token is left out, as the reference does. Time O(n log n).
  void Encode(std::string_view piece, std::vector<int32_t>* tokens) const;
  // Merges the tokens from `first` on.
  void Merge(std::vector<int32_t>* tokens, size_t first) const;

 private:
  struct Rule {
    uint64_t pair;  // left token in the high half, right in the low one; kNone if free
    uint32_t rank;
    int32_t token;
  };
  struct Symbol {
    int32_t token;
    int32_t previous, next;  // -1 at the ends
  };
  static constexpr uint64_t kNone = ~uint64_t{0};

  const Rule* Find(int32_t left, int32_t right) const;
  void Insert(const Rule& merge);
  void Reserve(size_t merges);
  void MergeByScan(std::vector<int32_t>* tokens, size_t first) const;
  void MergeByHeap(std::vector<int32_t>* tokens, size_t first) const;

  std::array<int32_t, 256> byte_tokens_{};  // -1: none
  std::vector<Rule> table_;                 // open addressing, a power of two, at most half full
};

}  // namespace orrery::model
