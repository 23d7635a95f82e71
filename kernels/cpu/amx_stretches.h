// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which pages attention on AMX reads when: blocks of pages one after the other, in each of them stretches of rows that
// read the same pages.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace orrery::kernels::cpu {

inline constexpr int kPassRows = 32;  // rows of one pass: their queries and sums stay in the second-level cache
// Softmax goes by blocks of so many pages: what it costs a query for each block is small beside its exponentials then.
inline constexpr int kBlockPages = 4;
inline constexpr int kBlockKeys = kBlockPages * kPageTokens;

// Queries [first, last) that read the same pages of a block: `pages` of them, from the block's `page` on.
struct Stretch {
  int first, last;
  int page, pages;
  const uint16_t* keys[kBlockPages];
  const uint16_t* values[kBlockPages];
};

// What the next block reads, on its way from memory while this one is worked on: a few lines at each step of the work,
// so that memory never rests.
class Ahead {
 public:
  // Of `stretches`, `elements` of keys and as many of values a page, over `steps` steps.
  Ahead(const Stretch* stretches, int number, int elements, int steps)
      : at_(stretches), end_(stretches + number), lines_(elements / kLine) {
    int all = 0;
    for (int i = 0; i < number; ++i) all += 2 * stretches[i].pages * lines_;
    each_ = (all + steps - 1) / steps;
  }

  void Step() {
    for (int wanted = each_; wanted > 0;) {
      if (left_ == 0 && !Next()) return;
      const int now = std::min(wanted, left_);
      for (int i = 0; i < now; ++i, from_ += kLine) __builtin_prefetch(from_, 0, 2);
      left_ -= now;
      wanted -= now;
    }
  }

 private:
  static constexpr int kLine = 32;  // elements

  // The keys or the values of the next page.
  bool Next() {
    if (at_ == end_) return false;
    from_ = part_ % 2 == 0 ? at_->keys[part_ / 2] : at_->values[part_ / 2];
    left_ = lines_;
    if (++part_ == 2 * at_->pages) part_ = 0, ++at_;
    return true;
  }

  const Stretch *at_, *end_;
  const uint16_t* from_ = nullptr;
  int lines_, each_ = 0, part_ = 0, left_ = 0;
};

// Of one pass, for one key-value head.
class Pages {
 public:
  Pages(const AttentionShape& shape, const AttentionRows& rows, int kv_head, int first, int count, int group)
      : rows_(rows),
        first_(first),
        count_(count),
        group_(group),
        keys_(static_cast<ptrdiff_t>(kv_head) * shape.head_dim * kPageTokens),
        values_(keys_ + static_cast<ptrdiff_t>(shape.kv_heads) * shape.head_dim * kPageTokens) {}

  int keys() const {
    int most = 0;
    for (int r = 0; r < count_; ++r) most = most > rows_.lengths[first_ + r] ? most : rows_.lengths[first_ + r];
    return most;
  }
  bool Sees(int row, int begin, int keys) const {
    return rows_.lengths[first_ + row] > begin && rows_.FirstKey(first_ + row) < begin + keys;
  }

  // The stretches of the block that begins with page `block`; how many.
  int StretchesOf(int block, Stretch* stretches) const {
    int number = 0, open[kPassRows];  // by first row: its stretch
    for (int& each : open) each = -1;
    for (int page = 0; page < kBlockPages; ++page) {
      const int begin = (block + page) * kPageTokens;
      for (int r = 0, end; r < count_; r = end) {
        end = r + 1;
        if (!Sees(r, begin, kPageTokens)) continue;
        while (end < count_ && Sees(end, begin, kPageTokens) && Number(end, block + page) == Number(r, block + page))
          ++end;
        Stretch* stretch = open[r] < 0 ? nullptr : &stretches[open[r]];
        if (stretch == nullptr || stretch->last != end * group_ || stretch->page + stretch->pages != page) {
          open[r] = number;
          stretch = &stretches[number++];
          stretch->first = r * group_, stretch->last = end * group_, stretch->page = page, stretch->pages = 0;
        }
        const auto* base = reinterpret_cast<const uint16_t*>(rows_.kv + static_cast<size_t>(Number(r, block + page)) *
                                                                            rows_.kv_stride);
        stretch->keys[stretch->pages] = base + keys_;
        stretch->values[stretch->pages++] = base + values_;
      }
    }
    return number;
  }

 private:
  int32_t Number(int row, int page) const { return rows_.pages[first_ + row][page]; }

  const AttentionRows& rows_;
  int first_, count_, group_;
  ptrdiff_t keys_, values_;  // elements from a page's beginning
};

}  // namespace orrery::kernels::cpu
