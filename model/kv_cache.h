// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which pages of the KV cache hold which tokens: a prefix tree whose nodes are pages of kPageTokens tokens.
//
// A sequence holds the nodes on its path. Sequences with a common prefix hold the same nodes for its whole pages; where
// they part inside a page, the later one gets a copy of the common slots. What finished sequences leave stays until its
// room is needed: the least recently used leaves go first. A sequence is let in only if all the pages it may ever need
// are to be had, so none ever waits half-way.
//
// Only bookkeeping is done here; the tensors belong to whoever passed `clear` and `copy`.

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "model/tokenizer/tokenizer.h"

namespace orrery::model {

class KvCache {
 public:
  struct Node;

  // What a sequence holds. `pages` has one number per page, in order; tokens: how many are computed.
  struct Path {
    std::vector<Node*> nodes;
    std::vector<int32_t> pages;
    int tokens = 0;
    int reserved = 0;  // pages it may still take
  };

  using Clear = std::function<void(int32_t page)>;
  using Copy = std::function<void(int32_t from, int32_t to, int slots)>;

  KvCache(int pages, Clear clear, Copy copy);
  ~KvCache();
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  static int PagesFor(int tokens) { return (tokens + kernels::kPageTokens - 1) / kernels::kPageTokens; }

  // How many of the first tokens are at hand.
  int Matched(std::span<const TokenId> tokens) const;

  // Opens a path that may grow to `most` tokens and already holds those of `tokens` that are at hand. False, and
  // nothing changes, if there are not pages enough now.
  bool Open(std::span<const TokenId> tokens, int most, Path& path);
  // Makes room for `tokens` in all (at most what Open was told).
  void Grow(Path& path, int tokens);
  // These tokens, which follow those of the path, are computed now: other sequences may share them.
  void Commit(Path& path, std::span<const TokenId> tokens);
  // The path's pages stay as a prefix that may be found again, or evicted.
  void Close(Path& path);

  int pages_total() const { return total_; }
  int pages_used() const { return total_ - static_cast<int>(free_.size()); }  // held or left behind
  int pages_held() const { return pages_used() - idle_; }
  uint64_t pages_evicted() const { return evicted_; }

 private:
  struct Found {
    std::vector<Node*> whole;  // nodes to share
    Node* partial = nullptr;   // a node of whose slots the first `slots` are to be copied
    int slots = 0;
  };

  Found Find(std::span<const TokenId> tokens) const;
  void Hold(Node* node);
  void Drop(Node* node);
  bool MakeRoom();
  Node* NewNode(Path& path);
  void MarkIdle(Node* node);

  int total_;
  Clear clear_;
  Copy copy_;
  std::unique_ptr<Node> root_;
  std::vector<int32_t> free_;
  std::set<std::pair<uint64_t, Node*>> leaves_;  // unheld nodes without children, by last use
  int idle_ = 0;                                 // unheld nodes
  int reserved_ = 0;                             // of all open paths
  uint64_t clock_ = 0;
  uint64_t evicted_ = 0;
};

}  // namespace orrery::model
