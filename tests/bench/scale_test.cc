// SPDX-License-Identifier: Apache-2.0

// Campaigns of real actors over the simulated model: they come to their end, the same seed gives the same records, and
// a slow part makes them slow and not large.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "base/digest.h"
#include "bench/scale_run.h"
#include "store/store.h"
#include "tests/simulation/made_profile.h"

namespace orrery::bench {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

ScaleSetting Setting(const std::string& name, uint64_t problems) {
  ScaleSetting setting;
  setting.profile = std::make_shared<const simulation::Profile>(MadeProfile());
  setting.rules = setting.profile->rules;
  setting.problems = problems;
  setting.live_trees = 16;
  setting.folder = fs::path(testing::TempDir()) / (name + std::to_string(getpid()));
  fs::remove_all(setting.folder);
  fs::create_directories(setting.folder);
  return setting;
}

std::string Digest(const fs::path& folder) {
  const auto opened = store::Store::OpenReadOnly(folder / "store");
  EXPECT_TRUE(opened.ok()) << opened.status();
  Sha256 hash;
  const Status read = (*opened)->ForEachTree([&](std::string_view problem, const store::TreeChunk& tree) {
    hash.UpdateSized(problem);
    hash.UpdateSized(tree.bytes());
    return true;
  });
  EXPECT_TRUE(read.ok()) << read;
  return Hex(hash.Finish());
}

TEST(Scale, TheSameSeedGivesTheSameRecords) {
  ScaleSetting setting = Setting("one", 100);
  setting.rules.rollouts = setting.rules.wave = 16;
  const auto one = RunScale(setting);
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_GT(one->rollouts, 1000U);
  EXPECT_LE(one->rollouts, 1600U);
  EXPECT_GT(one->messages, one->expansions * 20);
  EXPECT_GT(one->solved, 30U);
  ScaleSetting other = setting;
  other.folder = Setting("other", 100).folder;
  other.threads = 4;
  other.live_trees = 100;
  other.pace.requests_a_batch = 7;
  ASSERT_TRUE(RunScale(other).ok());
  EXPECT_EQ(Digest(other.folder), Digest(setting.folder));
}

TEST(Scale, ProblemsDifferAndAreTheSameAgain) {
  EXPECT_EQ(ProblemOf(12).question, ProblemOf(12).question);
  EXPECT_NE(ProblemOf(12).question, ProblemOf(13).question);
  EXPECT_NE(ProblemOf(12).id, ProblemOf(13).id);
}

int MostAsked(const ScaleSetting& setting) {
  return static_cast<int>(setting.live_trees) * setting.rules.wave * setting.rules.candidates;
}

// Every queue holds at most what the live trees may ask for, and the process does not grow while it waits. Where fewer
// than `waiting` requests were ever held at once, the slow part was not slow.
void ExpectFlat(const ScaleSetting& setting, int waiting) {
  const auto figures = RunScale(setting);
  ASSERT_TRUE(figures.ok()) << figures.status();
  ASSERT_GT(figures->moments.size(), 12U) << "too quick to tell: " << figures->seconds << " s";
  const int most_asked = MostAsked(setting);
  EXPECT_GE(figures->most.held, waiting) << "nothing waited";
  EXPECT_LE(figures->most.held, most_asked);
  EXPECT_LE(figures->most.in_mailboxes, 2 * most_asked);
  EXPECT_LE(figures->most.trees, static_cast<int64_t>(setting.live_trees) + 1);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their shadow grows by itself
  const auto& moments = figures->moments;
  const auto largest = [](auto begin, auto end) {
    return std::max_element(
               begin, end,
               [](const ScaleMoment& a, const ScaleMoment& b) { return a.resident_bytes < b.resident_bytes; })
        ->resident_bytes;
  };
  const auto third = moments.begin() + static_cast<ptrdiff_t>(moments.size() / 3);
  constexpr uint64_t kGrowth = 8 << 20;  // the store's own buffers, filling
  EXPECT_LE(largest(third, moments.end()), largest(moments.begin(), third) + kGrowth);
#endif
}

TEST(Scale, ASlowModelKeepsTheMemoryFlat) {
  ScaleSetting setting = Setting("slow_model", 100);
  setting.rules.wave = 4;
  setting.pace.requests_a_batch = 40;
  setting.pace.batch = milliseconds(25);
  ExpectFlat(setting, MostAsked(setting) / 10);
}

TEST(Scale, ASlowSandboxKeepsTheMemoryFlat) {
  ScaleSetting setting = Setting("slow_sandbox", 100);
  setting.rules.wave = 4;
  setting.pace.step = milliseconds(2);
  ExpectFlat(setting, MostAsked(setting) / 10);
}

TEST(Scale, ASlowStoreKeepsTheMemoryFlat) {
  ScaleSetting setting = Setting("slow_store", 100);
  setting.rules.wave = 4;
  setting.pace.commit = milliseconds(40);
  // The journal is asked once an expansion, model and sandbox once a candidate.
  ExpectFlat(setting, static_cast<int>(setting.live_trees) / 2);
}

}  // namespace
}  // namespace orrery::bench
