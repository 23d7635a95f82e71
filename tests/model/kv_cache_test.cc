// SPDX-License-Identifier: Apache-2.0
#include "model/kv_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <random>

namespace orrery::model {
namespace {

using Tokens = std::vector<TokenId>;
constexpr int kPage = kernels::kPageTokens;

// Stands in for the tensors: each page's slots hold the whole prefix up to their token, as keys and values depend on
// it.
class KvCacheTest : public ::testing::Test {
 protected:
  void Make(int pages) {
    cache_ = std::make_unique<KvCache>(
        pages, [this](int32_t page) { slots_[page].clear(); },
        [this](int32_t from, int32_t to, int slots) {
          slots_[to] = {slots_[from].begin(), slots_[from].begin() + slots};
          ++copies_;
        });
  }

  // Computes tokens up to `count` and checks that what is at hand is what would have been computed.
  void Compute(KvCache::Path& path, const Tokens& tokens, int count) {
    CheckContent(path, tokens);
    const int first = path.tokens;
    if (first >= count) return;
    cache_->Grow(path, count);
    for (int i = first; i < count; ++i) slots_[path.pages[i / kPage]].push_back(Prefix(tokens, i));
    cache_->Commit(path, std::span(tokens).subspan(first, count - first));
  }

  void CheckContent(const KvCache::Path& path, const Tokens& tokens) {
    for (int i = 0; i < path.tokens; ++i) {
      const auto& slots = slots_.at(path.pages[i / kPage]);
      ASSERT_GT(slots.size(), static_cast<size_t>(i % kPage));
      ASSERT_EQ(slots[i % kPage], Prefix(tokens, i)) << "token " << i;
    }
  }

  static Tokens Prefix(const Tokens& tokens, int last) { return {tokens.begin(), tokens.begin() + last + 1}; }

  std::unique_ptr<KvCache> cache_;
  std::map<int32_t, std::vector<Tokens>> slots_;
  int copies_ = 0;
};

Tokens Stretch(int count, TokenId first = 0) {
  Tokens tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

Tokens operator+(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST_F(KvCacheTest, AFinishedSequenceIsFoundAgain) {
  Make(10);
  KvCache::Path path;
  const Tokens tokens = Stretch(70);
  ASSERT_TRUE(cache_->Open(tokens, 80, path));
  EXPECT_EQ(path.tokens, 0);
  Compute(path, tokens, 70);
  const auto pages = path.pages;
  cache_->Close(path);
  EXPECT_EQ(cache_->pages_used(), 3);
  EXPECT_EQ(cache_->pages_held(), 0);

  ASSERT_TRUE(cache_->Open(tokens, 80, path));
  EXPECT_EQ(path.tokens, 70);
  EXPECT_EQ(path.pages[0], pages[0]);
  EXPECT_EQ(path.pages[1], pages[1]);
  EXPECT_NE(path.pages[2], pages[2]);  // a page that will be written to is a copy
  EXPECT_EQ(copies_, 1);
  CheckContent(path, tokens);
  cache_->Close(path);
}

TEST_F(KvCacheTest, SequencesThatPartInsideAPageShareWhatComesBefore) {
  Make(10);
  const Tokens a = Stretch(40) + Stretch(10, 500), b = Stretch(40) + Stretch(10, 700);
  KvCache::Path first, second;
  ASSERT_TRUE(cache_->Open(a, 50, first));
  Compute(first, a, 50);
  EXPECT_EQ(cache_->Matched(b), 40);
  ASSERT_TRUE(cache_->Open(b, 50, second));  // while the first is still open
  EXPECT_EQ(second.tokens, 40);
  EXPECT_EQ(second.pages[0], first.pages[0]);
  Compute(second, b, 50);
  CheckContent(first, a);
  CheckContent(second, b);
  EXPECT_EQ(cache_->pages_used(), 3);
  cache_->Close(first);
  EXPECT_EQ(cache_->pages_held(), 2);
  cache_->Close(second);
  EXPECT_EQ(cache_->pages_held(), 0);
}

TEST_F(KvCacheTest, AChildExtendsWhatItsParentGenerated) {
  Make(10);
  Tokens tokens = Stretch(33);
  KvCache::Path path;
  ASSERT_TRUE(cache_->Open(tokens, 100, path));
  Compute(path, tokens, 33);
  tokens = tokens + Stretch(40, 900);
  Compute(path, tokens, 73);
  cache_->Close(path);
  EXPECT_EQ(cache_->Matched(tokens + Stretch(20, 2000)), 73);
}

TEST_F(KvCacheTest, TheLeastRecentlyUsedLeafGoesFirst) {
  Make(4);
  const Tokens old_one = Stretch(32), new_one = Stretch(32, 100), base = Stretch(64, 200);
  KvCache::Path path;
  for (const Tokens* tokens : {&base, &old_one, &new_one}) {
    ASSERT_TRUE(cache_->Open(*tokens, static_cast<int>(tokens->size()), path));
    Compute(path, *tokens, static_cast<int>(tokens->size()));
    cache_->Close(path);
  }
  ASSERT_TRUE(cache_->Open(base, 64, path));  // used again
  cache_->Close(path);
  const Tokens other = Stretch(32, 300);
  ASSERT_TRUE(cache_->Open(other, 32, path));
  Compute(path, other, 32);
  EXPECT_EQ(cache_->pages_evicted(), 1u);
  EXPECT_EQ(cache_->Matched(old_one), 0);
  EXPECT_EQ(cache_->Matched(new_one), 32);
  EXPECT_EQ(cache_->Matched(base), 64);
  cache_->Close(path);
}

TEST_F(KvCacheTest, OpenRefusesWhatMightNotFinish) {
  Make(4);
  KvCache::Path a, b;
  ASSERT_TRUE(cache_->Open(Stretch(10), 96, a));  // may take three pages, holds none yet
  EXPECT_FALSE(cache_->Open(Stretch(10, 50), 33, b));
  ASSERT_TRUE(cache_->Open(Stretch(10, 50), 32, b));
  Compute(b, Stretch(32, 50), 32);
  Compute(a, Stretch(96), 96);
  cache_->Close(a);
  cache_->Close(b);
  EXPECT_TRUE(cache_->Open(Stretch(10, 50), 128, a));
  cache_->Close(a);
}

TEST_F(KvCacheTest, HeldPagesAreNeverEvicted) {
  Make(3);
  KvCache::Path holder, other;
  const Tokens held = Stretch(32);
  ASSERT_TRUE(cache_->Open(held, 32, holder));
  Compute(holder, held, 32);
  for (TokenId i = 1; i < 20; ++i) {
    ASSERT_TRUE(cache_->Open(Stretch(64, 1000 * i), 64, other));
    Compute(other, Stretch(64, 1000 * i), 64);
    cache_->Close(other);
  }
  CheckContent(holder, held);
  EXPECT_EQ(cache_->Matched(held), 32);
  cache_->Close(holder);
}

TEST_F(KvCacheTest, TheOnlyPageToCopyFromMayAlsoBeTheOnlyOneToUse) {
  Make(1);
  KvCache::Path path;
  ASSERT_TRUE(cache_->Open(Stretch(20), 20, path));
  Compute(path, Stretch(20), 20);
  cache_->Close(path);
  ASSERT_TRUE(cache_->Open(Stretch(20), 32, path));
  EXPECT_EQ(path.tokens, 0);  // no room for a copy: computed again
  Compute(path, Stretch(32), 32);
  cache_->Close(path);
}

TEST_F(KvCacheTest, RandomTreesKeepTheirContentAndLeakNothing) {
  std::mt19937 random(3);
  for (const int pages : {6, 17, 60}) {
    Make(pages);
    slots_.clear();
    struct Live {
      KvCache::Path path;
      Tokens tokens;
    };
    std::vector<std::unique_ptr<Live>> live;
    for (int step = 0; step < 3000; ++step) {
      if (random() % 3 != 0 || live.empty()) {
        auto next = std::make_unique<Live>();
        // Few choices per stretch: many common prefixes, ending anywhere.
        for (unsigned stretch = 0; stretch < 1 + random() % 4; ++stretch)
          next->tokens = next->tokens + Stretch(static_cast<int>(5 + random() % 3 * 18), 100 * (random() % 2));
        const int most = static_cast<int>(next->tokens.size());
        if (!cache_->Open(std::span(next->tokens).first(most - 1), most, next->path)) continue;
        live.push_back(std::move(next));
      } else {
        const size_t which = random() % live.size();
        Live& sequence = *live[which];
        const int size = static_cast<int>(sequence.tokens.size());
        Compute(sequence.path, sequence.tokens,
                std::min(size, sequence.path.tokens + 1 + static_cast<int>(random() % 50)));
        if (HasFatalFailure()) return;
        if (sequence.path.tokens == size || random() % 8 == 0) {
          cache_->Close(sequence.path);
          live.erase(live.begin() + static_cast<ptrdiff_t>(which));
        }
      }
    }
    for (auto& sequence : live) cache_->Close(sequence->path);
    EXPECT_EQ(cache_->pages_held(), 0);
    KvCache::Path all;
    EXPECT_TRUE(cache_->Open(Stretch(1, 5000), pages * kPage, all));
    cache_->Grow(all, pages * kPage);
    cache_->Close(all);
  }
}

}  // namespace
}  // namespace orrery::model
