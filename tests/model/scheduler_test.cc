// SPDX-License-Identifier: Apache-2.0
#include "model/scheduler.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <random>

namespace orrery::model {
namespace {

constexpr int kPage = kernels::kPageTokens;

// Runs a scheduler's batches as an engine would, without a model: every row is computed, every token sampled is 0.
class SchedulerTest : public ::testing::Test {
 protected:
  // What became of a request, in numbers of batches.
  struct Course {
    int came = 0, began = -1, ended = -1;
    int first_computed = -1;  // what comes before it in the prompt was there already
    int rows = 0;
  };

  void Make(int pages, int max_rows) {
    max_rows_ = max_rows;
    cache_ = std::make_unique<KvCache>(
        pages, [](int32_t) {}, [](int32_t, int32_t, int) {});
    scheduler_ = std::make_unique<Scheduler>(*cache_, max_rows);
  }

  void Add(uint64_t id, std::vector<TokenId> prompt, int new_tokens) {
    GenerationRequest request;
    request.id = id;
    request.prompt = std::move(prompt);
    request.max_new_tokens = new_tokens;
    scheduler_->Add(std::make_unique<Sequence>(std::move(request), std::to_string(id)));
    courses_[id].came = batches_;
  }

  // One batch; the rows that each request had in it.
  std::map<uint64_t, int> Step() {
    std::map<uint64_t, int> rows;
    int sum = 0;
    const std::vector<BatchPiece> batch = scheduler_->NextBatch();
    for (const BatchPiece& piece : batch) {
      const uint64_t id = piece.sequence->request.id;
      EXPECT_TRUE(rows.emplace(id, piece.count).second) << "request " << id << " is in a batch twice";
      sum += piece.count;
      Course& course = courses_.at(id);
      if (course.began < 0) {
        course.began = batches_;
        course.first_computed = piece.first;
      }
      course.rows += piece.count;
    }
    EXPECT_LE(sum, max_rows_);
    for (const BatchPiece& piece : batch) Advance(piece);
    ++batches_;
    return rows;
  }

  void StepUntilIdle() {
    while (!scheduler_->Idle()) ASSERT_FALSE(Step().empty()) << "nothing goes on, and something waits";
  }

  const Course& course(uint64_t id) const { return courses_.at(id); }
  int batches() const { return batches_; }
  const KvCache& cache() const { return *cache_; }

 private:
  void Advance(const BatchPiece& piece) {
    Sequence& sequence = *piece.sequence;
    cache_->Commit(sequence.path, std::span(sequence.tokens).subspan(piece.first, piece.count));
    if (sequence.pending() > 0) return;
    sequence.tokens.push_back(0);
    if (sequence.generated() < sequence.request.max_new_tokens) return;
    courses_.at(sequence.request.id).ended = batches_;
    scheduler_->Remove(&sequence);
  }

  int max_rows_ = 0, batches_ = 0;
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<Scheduler> scheduler_;
  std::map<uint64_t, Course> courses_;
};

// Tokens that no prompt with another `first` has.
std::vector<TokenId> Prompt(int count, TokenId first) {
  std::vector<TokenId> tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

TEST_F(SchedulerTest, WhatIsGeneratingGoesOnInEveryBatchBesideALongPrompt) {
  Make(100, 8);
  Add(1, Prompt(4, 1), 50);
  Step();
  Add(2, Prompt(1000, 10'000), 1);
  for (int i = 0; i < 49; ++i) {
    const auto rows = Step();
    EXPECT_EQ(rows.at(1), 1);
    EXPECT_EQ(rows.at(2), 7) << "the prompt has all room that is left";
  }
  EXPECT_EQ(course(1).ended, 49);
  StepUntilIdle();
  EXPECT_EQ(course(2).rows, 1000);
  EXPECT_EQ(course(2).ended, 49 + (1000 - 49 * 7 + 7) / 8);
}

TEST_F(SchedulerTest, ARequestForManyPagesIsNotOvertakenByThoseForFew) {
  Make(8, 16);
  Add(1, Prompt(kPage, 1), kPage);
  Add(2, Prompt(kPage, 1000), kPage);
  Step();
  Add(3, Prompt(6 * kPage, 10'000), kPage);
  for (uint64_t id = 4; course(3).began < 0; ++id) {
    ASSERT_LT(batches(), 1000);
    Add(id, Prompt(kPage, static_cast<TokenId>(20'000 + id * 100)), 1);
    Step();
  }
  EXPECT_EQ(course(3).began, std::max(course(1).ended, course(2).ended) + 1) << "as soon as its pages are free";
  StepUntilIdle();
  EXPECT_GT(course(4).began, course(3).began);
}

TEST_F(SchedulerTest, RequestsWithNothingInCommonBeginInTheOrderInWhichTheyCame) {
  Make(40, 12);
  std::mt19937 random(1);
  constexpr uint64_t kRequests = 300;
  for (uint64_t id = 0; id < kRequests; ++id) {
    Add(id, Prompt(1 + static_cast<int>(random() % 200), static_cast<TokenId>(id * 1000)),
        1 + static_cast<int>(random() % 60));
    if (random() % 4 == 0) Step();
  }
  StepUntilIdle();
  for (uint64_t id = 1; id < kRequests; ++id) EXPECT_GE(course(id).began, course(id - 1).began) << "request " << id;
}

TEST_F(SchedulerTest, WhoeverWaitsForAPrefixTakesItAsSoonAsItIsThere) {
  Make(100, 16);
  const std::vector<TokenId> prefix = Prompt(64, 1);
  auto with = [&prefix](TokenId last) {
    std::vector<TokenId> prompt = prefix;
    prompt.push_back(last);
    return prompt;
  };
  Add(1, with(9001), 1);
  Add(2, with(9002), 1);
  Add(3, Prompt(10, 5000), 1);
  StepUntilIdle();
  EXPECT_EQ(course(1).rows, 65);
  EXPECT_EQ(course(2).first_computed, 64);
  EXPECT_EQ(course(2).rows, 1);
  EXPECT_EQ(course(2).began, 4) << "the prefix takes four batches of 16 rows";
  EXPECT_LE(course(3).began, course(2).began) << "who needs nothing of it does not wait for it";
}

// Each batch brings the oldest request on by a row at least, so nobody waits longer than all that came before needs.
TEST_F(SchedulerTest, NobodyWaitsLongerThanForTheWorkThatWasThereBefore) {
  for (const unsigned seed : {1u, 2u, 3u, 4u, 5u}) {
    Make(30, 10);
    std::mt19937 random(seed);
    std::map<uint64_t, int> work;  // rows of each request, were nothing shared
    std::map<uint64_t, int> bound;
    const int before = batches();
    for (uint64_t i = 0; i < 400; ++i) {
      const uint64_t id = seed * 1000 + i;
      std::vector<TokenId> prompt = Prompt(static_cast<int>(random() % 150), static_cast<TokenId>(random() % 3 * 1000));
      for (int n = 1 + static_cast<int>(random() % 40); n > 0; --n) prompt.push_back(random() % 100'000);
      const int new_tokens = 1 + static_cast<int>(random() % 30);
      work[id] = static_cast<int>(prompt.size()) + new_tokens;
      Add(id, std::move(prompt), new_tokens);
      for (const auto& [other, rows] : work) {
        if (course(other).ended < 0) bound[id] += rows;
      }
      for (auto steps = random() % 12; steps > 0; --steps) Step();
    }
    StepUntilIdle();
    int most = 0;
    for (const auto& [id, longest] : bound) {
      EXPECT_GE(course(id).ended, before);
      EXPECT_LE(course(id).ended - course(id).came, longest) << "request " << id;
      most = std::max(most, course(id).ended - course(id).came);
    }
    EXPECT_GT(most, 20) << "there was no queue to be fair in";
    EXPECT_EQ(cache().pages_held(), 0);
  }
}

}  // namespace
}  // namespace orrery::model
