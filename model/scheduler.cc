// SPDX-License-Identifier: Apache-2.0
#include "model/scheduler.h"

#include <algorithm>
#include <span>
#include <utility>

namespace orrery::model {
namespace {

// Waiting for a shorter common stretch than this costs more than computing it twice.
constexpr int kWorthWaiting = kernels::kPageTokens / 2;

// The last prompt token is always computed: its logits are wanted.
std::span<const TokenId> Reusable(const Sequence& sequence) {
  return std::span(sequence.request.prompt).first(sequence.request.prompt.size() - 1);
}

int CommonPrefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  const size_t most = std::min(a.size(), b.size());
  return static_cast<int>(std::mismatch(a.begin(), a.begin() + most, b.begin()).first - a.begin());
}

}  // namespace

bool Scheduler::AwaitsPrefix(const Sequence& sequence) const {
  int matched = -1;
  for (const auto& other : live_) {
    if (other->pending() <= 1) continue;
    const int common = CommonPrefix(Reusable(sequence), other->request.prompt);
    if (common < kWorthWaiting) continue;
    if (matched < 0) matched = cache_.Matched(Reusable(sequence));
    if (common - matched >= kWorthWaiting) return true;
  }
  return false;
}

void Scheduler::Admit() {
  for (auto next = waiting_.begin(); next != waiting_.end() && static_cast<int>(live_.size()) < max_rows_;) {
    Sequence& sequence = **next;
    if (AwaitsPrefix(sequence)) {
      ++next;
      continue;
    }
    // Those behind it would keep taking the pages that it waits for.
    if (!cache_.Open(Reusable(sequence), sequence.most_tokens(), sequence.path)) return;
    prefix_tokens_reused_ += sequence.path.tokens;
    live_.push_back(std::move(*next));
    next = waiting_.erase(next);
  }
}

std::vector<BatchPiece> Scheduler::NextBatch() {
  Admit();
  std::vector<BatchPiece> batch;
  int room = max_rows_;
  for (const auto& sequence : live_) {
    if (sequence->pending() != 1) continue;
    batch.push_back({sequence.get(), sequence->path.tokens, 1});
    --room;
  }
  for (const auto& sequence : live_) {
    if (room == 0) break;
    if (sequence->pending() == 1) continue;
    const int count = std::min(room, sequence->pending());
    batch.push_back({sequence.get(), sequence->path.tokens, count});
    room -= count;
  }
  for (const BatchPiece& piece : batch) cache_.Grow(piece.sequence->path, piece.first + piece.count);
  std::stable_sort(batch.begin(), batch.end(), [](const BatchPiece& a, const BatchPiece& b) {
    return a.sequence->path.pages < b.sequence->path.pages;
  });
  return batch;
}

std::unique_ptr<Sequence> Scheduler::Remove(Sequence* sequence) {
  const auto is_it = [sequence](const auto& other) { return other.get() == sequence; };
  std::unique_ptr<Sequence> removed;
  if (const auto live = std::find_if(live_.begin(), live_.end(), is_it); live != live_.end()) {
    removed = std::move(*live);
    live_.erase(live);
    cache_.Close(removed->path);
  } else {
    const auto waiting = std::find_if(waiting_.begin(), waiting_.end(), is_it);
    removed = std::move(*waiting);
    waiting_.erase(waiting);
  }
  return removed;
}

}  // namespace orrery::model
