// SPDX-License-Identifier: Apache-2.0
// What a campaign's earlier sessions spent, read from its telemetry.

#include "runners/campaigns/sessions.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/fresh.h"

namespace orrery::runners {
namespace {

std::string Line(double seconds, int tokens, int batches, int rows) {
  return "{\"seconds\":" + std::to_string(seconds) + ",\"orrery_model_tokens_total\":" + std::to_string(tokens) +
         ",\"orrery_batches_total\":" + std::to_string(batches) +
         ",\"orrery_batch_rows_total\":" + std::to_string(rows) + "}\n";
}

Spent After(const std::string& telemetry) {
  const std::filesystem::path path = FreshPath("telemetry.jsonl");
  std::ofstream(path) << telemetry;
  return SpentBefore(path);
}

TEST(Sessions, EachOnesLastLineCounts) {
  const Spent spent = After(Line(1, 10, 1, 100) + Line(2, 30, 2, 200) +  // killed
                            Line(1, 5, 1, 50) +                          // killed at once
                            Line(1, 7, 1, 70) + Line(2, 9, 2, 90) + Line(2.5, 11, 3, 110));
  EXPECT_DOUBLE_EQ(spent.seconds, 5.5);
  EXPECT_EQ(spent.tokens, 46U);
  EXPECT_EQ(spent.batches, 6U);
  EXPECT_EQ(spent.rows, 360U);
}

TEST(Sessions, ALineThatAKillTorePassesOver) {
  const std::string torn = Line(3, 90, 3, 300);
  for (const size_t length : {size_t{1}, size_t{12}, torn.size() / 2, torn.size() - 2}) {
    const Spent spent =
        After(Line(2, 30, 2, 200) + torn.substr(0, length) + "\n" + Line(1, 4, 1, 40) + Line(2, 6, 2, 60));
    EXPECT_DOUBLE_EQ(spent.seconds, 4) << length;
    EXPECT_EQ(spent.tokens, 36U) << length;
  }
}

TEST(Sessions, NoneBefore) {
  EXPECT_EQ(SpentBefore(FreshPath("nothing.jsonl")).seconds, 0);
  EXPECT_EQ(After("").tokens, 0U);
  EXPECT_EQ(After("no telemetry\n{}\n").tokens, 0U);
}

}  // namespace
}  // namespace orrery::runners
