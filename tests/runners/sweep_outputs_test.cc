// SPDX-License-Identifier: Apache-2.0

// A sweep's tables and page from results at hand, worked out by hand; the line that shows how far it is.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/paths.h"
#include "runners/common/disk_space.h"
#include "runners/common/plots.h"
#include "runners/sweeps/outputs.h"
#include "runners/sweeps/progress.h"
#include "runners/sweeps/report.h"

namespace orrery::runners {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

fs::path Folder() {
  const fs::path folder = fs::path(testing::TempDir()) / ("sweep_outputs" + std::to_string(getpid()));
  fs::create_directories(folder);
  return folder;
}

// Temperatures 0.5 (the baseline) and 1, seeds 1 and 2.
Sweep Small() {
  const fs::path file = Folder() / "grid.json";
  std::ofstream(file) << R"({"sweep": {"seeds": "1-2"}, "grid": {"search.temperature": [0.5, 1]}})";
  auto sweep = ReadSweep({.files = {file}});
  EXPECT_TRUE(sweep.ok()) << sweep.status();
  return *std::move(sweep);
}

CellResult Finished(Solved solved, uint64_t tokens) {
  CellResult result{.state = CellState::kFinished, .solved = std::move(solved), .digest = "d1ge57", .tokens = tokens};
  for (const auto& [key, right] : result.solved) result.right += right ? 1 : 0;
  result.seconds = 3.25;
  return result;
}

// 50% and 25% against 75% and 100%, of four problems.
std::vector<CellResult> Results() {
  return {Finished({{"a", true}, {"b", true}, {"c", false}, {"d", false}}, 400),
          Finished({{"a", true}, {"b", false}, {"c", false}, {"d", false}}, 600),
          Finished({{"a", true}, {"b", true}, {"c", true}, {"d", false}}, 800),
          Finished({{"a", true}, {"b", true}, {"c", true}, {"d", true}}, 1200)};
}

TEST(SweepOutputs, TheTableByHand) {
  const Sweep sweep = Small();
  const auto points = Analyse(sweep, Results());
  // Means 37.5 and 87.5; s = 25 / sqrt(2) = 17.68; half of the interval 12.7062 * 17.68 / sqrt(2) = 158.83.
  EXPECT_NEAR(points[0].solved.mean, 0.375, 1e-12);
  EXPECT_NEAR(*points[0].solved.deviation, 0.1767767, 1e-6);
  EXPECT_NEAR(points[0].solved.high - points[0].solved.mean, 1.588278, 1e-5);
  EXPECT_NEAR(points[0].tokens.mean, 125, 1e-12);
  EXPECT_EQ(points[0].paired.problems, 0u) << "the baseline is not compared with itself";
  // a: 0, 0; b: 0, 1; c: 1, 1; d: 0, 1. Means 0, 0.5, 1, 0.5.
  EXPECT_EQ(points[1].paired.better, 4u);
  EXPECT_EQ(points[1].paired.worse, 0u);
  EXPECT_NEAR(points[1].paired.mean, 0.5, 1e-12);
  const std::string table = TableText(sweep, Results(), points);
  EXPECT_THAT(table, HasSubstr("| temperature | cells | solved % |"));
  EXPECT_THAT(table, HasSubstr("| 0.5 | 2 of 2 | 37.5 | 17.7 | -121.3 to 196.3 | baseline | | | 125 |"));
  EXPECT_THAT(table, HasSubstr("| 1 | 2 of 2 | 87.5 | 17.7 | -71.3 to 246.3 | +50.0 |"));
  EXPECT_THAT(table, HasSubstr("| 4, 0 | 250 |"));
  EXPECT_THAT(table, Not(HasSubstr("Failed")));
}

TEST(SweepOutputs, WhatFailedOrIsOpenIsSaidAndCountsNowhere) {
  const Sweep sweep = Small();
  auto results = Results();
  results[1] = {.state = CellState::kFailed, .failure = "x.gguf: no | such file"};
  results[3] = {.state = CellState::kUnfinished};
  const auto points = Analyse(sweep, results);
  const std::string table = TableText(sweep, results, points);
  EXPECT_THAT(table, HasSubstr("| 0.5 | 1 of 2 | 50.0 | – | – | baseline"));
  EXPECT_THAT(table, HasSubstr("1 of 4 cells are not finished yet."));
  EXPECT_THAT(table, HasSubstr("- temperature=0.5,seed=2: x.gguf: no | such file"));
  EXPECT_EQ(points[1].paired.pairs, 4u) << "seed 1 alone";
  const auto json = nlohmann::json::parse(SweepJson(sweep, results, points));
  EXPECT_EQ(json["cells"][1]["state"], "failed");
  EXPECT_EQ(json["cells"][1]["failure"], "x.gguf: no | such file");
  EXPECT_EQ(json["cells"][3]["state"], "unfinished");
  EXPECT_EQ(json["points"][0]["solved"], nlohmann::json({{"mean", 0.5}}));
  const std::string page = SweepPage(sweep, results, points);
  EXPECT_THAT(page, HasSubstr("1 cells failed"));
  EXPECT_THAT(page, HasSubstr("x.gguf: no | such file"));
  for (CellResult& result : results) result = {};
  const std::string empty = SweepPage(sweep, results, Analyse(sweep, results));
  EXPECT_THAT(empty, HasSubstr("no cell finished"));
}

TEST(SweepOutputs, CsvHasTheSameNumberOfFieldsInEveryLine) {
  const Sweep sweep = Small();
  auto results = Results();
  results[1] = {.state = CellState::kFailed, .failure = "gone"};
  const auto points = Analyse(sweep, results);
  for (const std::string& text : {TableCsv(sweep, points), CellsCsv(sweep, results)}) {
    std::istringstream lines(text);
    std::string line;
    std::getline(lines, line);
    const auto commas = std::count(line.begin(), line.end(), ',');
    int rows = 0;
    for (; std::getline(lines, line); ++rows) {
      EXPECT_EQ(std::count(line.begin(), line.end(), ','), commas) << line;
      EXPECT_THAT(line, testing::EndsWith("\r"));
    }
    EXPECT_GE(rows, 2);
  }
  EXPECT_THAT(TableCsv(sweep, points), HasSubstr("1,0,2,0.875,"));
}

TEST(SweepOutputs, TimesAreInNoFileThatPromisesTheSameBytes) {
  const Sweep sweep = Small();
  const fs::path folder = Folder();
  auto slower = Results();
  for (CellResult& result : slower) result.seconds = 9.5, result.tokens_per_second = 7;
  const auto bytes = [&](const std::vector<CellResult>& results) {
    EXPECT_TRUE(WriteSweep(folder, sweep, results).ok());
    std::string all;
    for (const char* file : {"table.md", "table.csv", "cells.csv", "sweep.json", "report.html"})
      all += ReadFile(folder / file).value();
    return all;
  };
  const std::string first = bytes(Results());
  EXPECT_THAT(ReadFile(folder / "measured.csv").value(), HasSubstr("\"temperature=0.5,seed=1\",3.25,"));
  EXPECT_TRUE(first == bytes(slower));
  EXPECT_THAT(ReadFile(folder / "measured.csv").value(), HasSubstr("\"temperature=0.5,seed=1\",9.50,7.0"));
}

TEST(SweepOutputs, ThePageIsWholeAndNeedsNoNetwork) {
  const Sweep sweep = Small();
  const std::string page = SweepPage(sweep, Results(), Analyse(sweep, Results()));
  EXPECT_THAT(page, HasSubstr("Solved by setting"));
  EXPECT_THAT(page, HasSubstr("Against the baseline temperature=0.5"));
  EXPECT_THAT(page, HasSubstr("Solved over search.temperature"));
  EXPECT_THAT(page, testing::EndsWith("</html>\n"));
  for (const char* word : {"http", "src=", "nan", "inf\""}) EXPECT_THAT(page, Not(HasSubstr(word)));
  const auto count = [&](const std::string& word) {
    size_t found = 0;
    for (size_t at = page.find(word); at != std::string::npos; at = page.find(word, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(count("<svg"), count("</svg>"));
  EXPECT_EQ(count("<section"), count("</section>"));
  EXPECT_EQ(count("class=\"dot\""), 4u) << "a circle for each seed";
}

TEST(SweepOutputs, EqualSharesAreDrawnOnAScaleOfTheirOwn) {
  // Rounding is no difference: the scale stays ten points wide, and no number grows an exponent.
  const std::string same =
      DrawWhiskers({{.label = "a", .value = 33.333333, .low = 33.333333, .high = 33.333333}}, false, "");
  EXPECT_THAT(same, HasSubstr(">30%<"));
  EXPECT_THAT(same, HasSubstr(">36%<"));
  const std::string none = DrawWhiskers({{.label = "a", .value = 0.0}}, true, "");
  EXPECT_THAT(none, HasSubstr(">+4<"));
  EXPECT_THAT(none, HasSubstr("class=\"zero\""));
  const std::string full = DrawWhiskers({{.label = "a", .value = 100.0, .low = 100, .high = 100}}, false, "");
  EXPECT_THAT(full, HasSubstr(">100%<"));
  EXPECT_THAT(full, Not(HasSubstr(">102%<")));
  for (const std::string& svg : {same, none, full}) EXPECT_THAT(svg, Not(HasSubstr("e-")));
}

TEST(Ticks, AreRoundAndInside) {
  EXPECT_THAT(Ticks(0, 100, 5), ElementsAre(0, 20, 40, 60, 80, 100));
  EXPECT_THAT(Ticks(-3, 12, 4), ElementsAre(0, 5, 10));
  EXPECT_THAT(Ticks(7, 7, 4), ElementsAre(7));
}

TEST(SweepLine, SaysHowFarHowLongAndWhatIsSlow) {
  SweepMoment moment{.seconds = 130,
                     .cells = 12,
                     .done = 3,
                     .failed = 1,
                     .running = {{"a=1,seed=2", 0.4, 50}, {"a=2,seed=1", 0.1, 99}},
                     .tokens = 13000,
                     .work = 12,
                     .work_done = 3,
                     .usual_seconds = 40};
  EXPECT_EQ(SweepLine(moment),
            "02:10 · cells 3/12 · 1 failed · a=1,seed=2 40% · a=2,seed=1 10% (slow) · 100 tokens/s · about 06:30 left");
  moment = {.seconds = 1, .cells = 12, .work = 12, .work_done = 0.1};
  EXPECT_EQ(SweepLine(moment), "00:01 · cells 0/12") << "too early to say how long";
}

TEST(DiskSpace, TheRestIsReckonedFromWhatWasWritten) {
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  EXPECT_EQ(BytesNeeded(30 * kMiB, 0.25), (90 + 16) * kMiB);
  EXPECT_EQ(BytesNeeded(30 * kMiB, 1), 16 * kMiB);
  EXPECT_EQ(BytesNeeded(1 * kMiB, 0), (49 + 16) * kMiB) << "as if a fiftieth were done";
  const fs::path folder = Folder() / "space";
  fs::create_directories(folder / "below");
  std::ofstream(folder / "one") << std::string(1000, 'x');
  std::ofstream(folder / "below" / "two") << std::string(234, 'x');
  EXPECT_EQ(BytesBelow(folder), 1234u);
  EXPECT_THAT(NeededSpace(folder, 0.5), HasSubstr("1,234 bytes were written for 50% of it"));
}

}  // namespace
}  // namespace orrery::runners
