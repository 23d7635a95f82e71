// SPDX-License-Identifier: Apache-2.0
#include "model/kv_cache.h"

#include <algorithm>
#include <cassert>

namespace orrery::model {

using kernels::kPageTokens;

struct KvCache::Node {
  Node* parent = nullptr;
  int32_t page = -1;
  int holders = 0;  // open paths through it
  uint64_t last_use = 0;
  std::vector<TokenId> tokens;  // those computed; fewer than kPageTokens while, or because, the page was not filled
  std::vector<std::unique_ptr<Node>> children;
};

KvCache::KvCache(int pages, Clear clear, Copy copy)
    : total_(pages), clear_(std::move(clear)), copy_(std::move(copy)), root_(std::make_unique<Node>()) {
  root_->holders = 1;
  for (int32_t page = pages; page-- > 0;) free_.push_back(page);
}

KvCache::~KvCache() {
  // Paths may be as long as the context: no recursion.
  std::vector<std::unique_ptr<Node>> left;
  left.push_back(std::move(root_));
  while (!left.empty()) {
    std::unique_ptr<Node> node = std::move(left.back());
    left.pop_back();
    for (auto& child : node->children) left.push_back(std::move(child));
  }
}

KvCache::Found KvCache::Find(std::span<const TokenId> tokens) const {
  Found found;
  for (const Node* node = root_.get();;) {
    Node* next = nullptr;
    found.partial = nullptr;
    found.slots = 0;
    for (const auto& child : node->children) {
      const size_t most = std::min(child->tokens.size(), tokens.size());
      if (most == 0 || child->tokens[0] != tokens[0]) continue;
      const int same = static_cast<int>(
          std::mismatch(tokens.begin(), tokens.begin() + most, child->tokens.begin()).first - tokens.begin());
      if (same == kPageTokens) {
        next = child.get();
        break;
      }
      if (same > found.slots) {
        found.partial = child.get();
        found.slots = same;
      }
    }
    if (next == nullptr) return found;
    found.whole.push_back(next);
    tokens = tokens.subspan(kPageTokens);
    node = next;
  }
}

int KvCache::Matched(std::span<const TokenId> tokens) const {
  const Found found = Find(tokens);
  return static_cast<int>(found.whole.size()) * kPageTokens + found.slots;
}

void KvCache::Hold(Node* node) {
  if (node->holders++ > 0) return;
  --idle_;
  if (node->children.empty()) leaves_.erase({node->last_use, node});
}

void KvCache::MarkIdle(Node* node) {
  ++idle_;
  node->last_use = ++clock_;
  if (node->children.empty()) leaves_.emplace(node->last_use, node);
}

void KvCache::Drop(Node* node) {
  if (--node->holders == 0) MarkIdle(node);
}

// Evicts the leaf that was used the longest time ago, if there is one.
bool KvCache::MakeRoom() {
  if (!free_.empty()) return true;
  if (leaves_.empty()) return false;
  Node* leaf = leaves_.begin()->second;
  leaves_.erase(leaves_.begin());
  --idle_;
  ++evicted_;
  free_.push_back(leaf->page);
  Node* parent = leaf->parent;
  std::erase_if(parent->children, [leaf](const auto& child) { return child.get() == leaf; });
  if (parent->children.empty() && parent->holders == 0) leaves_.emplace(parent->last_use, parent);
  return true;
}

KvCache::Node* KvCache::NewNode(Path& path) {
  const bool room = MakeRoom();
  assert(room && "Open reserved this page");
  static_cast<void>(room);
  Node* parent = path.nodes.empty() ? root_.get() : path.nodes.back();
  Node* node = parent->children.emplace_back(std::make_unique<Node>()).get();
  node->parent = parent;
  node->page = free_.back();
  node->holders = 1;
  free_.pop_back();
  path.nodes.push_back(node);
  path.pages.push_back(node->page);
  --path.reserved;
  --reserved_;
  return node;
}

bool KvCache::Open(std::span<const TokenId> tokens, int most, Path& path) {
  Found found = Find(tokens);
  const int needed = PagesFor(most) - static_cast<int>(found.whole.size());
  const auto idle =
      std::count_if(found.whole.begin(), found.whole.end(), [](const Node* node) { return node->holders == 0; });
  const int available = static_cast<int>(free_.size()) + idle_ - static_cast<int>(idle) - reserved_;
  if (needed > available) return false;

  path = Path();
  path.reserved = needed;
  reserved_ += needed;
  for (Node* node : found.whole) {
    Hold(node);
    path.nodes.push_back(node);
    path.pages.push_back(node->page);
  }
  path.tokens = static_cast<int>(found.whole.size()) * kPageTokens;
  if (found.partial == nullptr) return true;
  // The page to copy from must not be the one evicted for the copy; where no other can go, its tokens are computed
  // again.
  Hold(found.partial);
  if (MakeRoom()) {
    Node* node = NewNode(path);
    copy_(found.partial->page, node->page, found.slots);
    node->tokens.assign(tokens.begin() + path.tokens, tokens.begin() + path.tokens + found.slots);
    path.tokens += found.slots;
  }
  Drop(found.partial);
  return true;
}

void KvCache::Grow(Path& path, int tokens) {
  while (static_cast<int>(path.nodes.size()) < PagesFor(tokens)) clear_(NewNode(path)->page);
}

void KvCache::Commit(Path& path, std::span<const TokenId> tokens) {
  for (const TokenId token : tokens) {
    path.nodes[path.tokens / kPageTokens]->tokens.push_back(token);
    ++path.tokens;
  }
}

void KvCache::Close(Path& path) {
  for (auto node = path.nodes.rbegin(); node != path.nodes.rend(); ++node) Drop(*node);
  reserved_ -= path.reserved;
  path = Path();
}

}  // namespace orrery::model
