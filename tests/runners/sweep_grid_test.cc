// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "base/paths.h"
#include "runners/sweeps/grid.h"

namespace orrery::runners {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

fs::path FileOf(const std::string& text) {
  static int count = 0;
  const fs::path path = fs::path(testing::TempDir()) / ("grid" + std::to_string(count++) + ".json");
  std::ofstream(path) << text;
  return path;
}

StatusOr<Sweep> Read(const std::string& text, std::vector<schema::KeyValue> settings = {}) {
  return ReadSweep({.files = {FileOf(text)}, .settings = std::move(settings)});
}

constexpr const char* kSmall = R"({
  // two by three
  "sweep": {"seeds": "1,5-6", "baseline": "search.candidates=4", "parallel": 2},
  "grid": {
    "search.temperature": [0.50, 1],
    "model.name": ["a", "b/c d"],
    "search.candidates": [3, 4]
  },
  "run": {"out": "/tmp/s", "limit": 7},
  "search": {"rollouts": 2}
})";

TEST(SweepGrid, CellsAreInAFixedOrderWithNamesOfTheirOwn) {
  const auto sweep = Read(kSmall);
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  EXPECT_THAT(sweep->seeds, ElementsAre(1, 5, 6));
  EXPECT_EQ(sweep->parallel, 2u);
  ASSERT_EQ(sweep->points.size(), 8u);
  EXPECT_EQ(sweep->points[0].name, "temperature=0.5,name=a,candidates=3");
  EXPECT_EQ(sweep->points[1].name, "temperature=0.5,name=a,candidates=4");
  EXPECT_EQ(sweep->points[2].name, "temperature=0.5,name=b/c d,candidates=3");
  EXPECT_EQ(sweep->points[7].name, "temperature=1,name=b/c d,candidates=4");
  EXPECT_EQ(sweep->baseline, 1u);
  ASSERT_EQ(sweep->cells.size(), 24u);
  EXPECT_EQ(sweep->cells[0].name, "temperature=0.5,name=a,candidates=3,seed=1");
  EXPECT_EQ(sweep->cells[2].name, "temperature=0.5,name=a,candidates=3,seed=6");
  EXPECT_EQ(sweep->cells[3].point, 1u);
  // No name leaves the folder; none is another's.
  EXPECT_THAT(sweep->cells[6].name, testing::StartsWith("temperature=0.5,name=b_c_d,candidates=3,"));
  std::set<std::string> names;
  for (const Cell& cell : sweep->cells) {
    EXPECT_EQ(cell.name.find('/'), std::string::npos);
    names.insert(cell.name);
  }
  EXPECT_EQ(names.size(), sweep->cells.size());
}

TEST(SweepGrid, ACellsConfigurationIsTheFilesWithItsOwnSettings) {
  const auto sweep = Read(kSmall);
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  const auto config = ConfigOf(*sweep, sweep->cells[20]);  // temperature 1, "b/c d", 3, seed 6
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ((*config)->search()->temperature(), 1.0);
  EXPECT_EQ((*config)->search()->candidates(), 3);
  EXPECT_EQ((*config)->search()->rollouts(), 2);
  EXPECT_EQ((*config)->model()->name()->str(), "b/c d");
  EXPECT_EQ((*config)->run()->seed(), 6u);
  EXPECT_EQ((*config)->run()->limit(), 7u);
  EXPECT_EQ((*config)->run()->out()->str(), "/tmp/s/cells/" + sweep->cells[20].name);
  EXPECT_FALSE(config->IsSet("search.top_p")) << "what nobody set stays the preset's";
}

TEST(SweepGrid, ItsRecordReadsBackToTheSame) {
  const auto sweep = Read(kSmall);
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  const auto again = Read(sweep->Record());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->Record(), sweep->Record());
  EXPECT_EQ(again->baseline, sweep->baseline);
  ASSERT_EQ(again->cells.size(), sweep->cells.size());
  for (size_t i = 0; i < sweep->cells.size(); ++i) EXPECT_EQ(again->cells[i].name, sweep->cells[i].name);
}

TEST(SweepGrid, FlagsReachTheSweepAndTheCells) {
  const auto sweep = Read(kSmall, {{"sweep.seeds", "9"}, {"search.rollouts", "5"}, {"sweep.parallel", "3"}});
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  EXPECT_THAT(sweep->seeds, ElementsAre(9));
  EXPECT_EQ(sweep->parallel, 3u);
  EXPECT_EQ(sweep->base->search()->rollouts(), 5);
  // Without a grid the seeds alone differ.
  const auto seeds = Read("{}");
  ASSERT_TRUE(seeds.ok()) << seeds.status();
  EXPECT_THAT(seeds->seeds, ElementsAre(1, 2, 3));
  ASSERT_EQ(seeds->points.size(), 1u);
  EXPECT_EQ(seeds->cells[1].name, "all,seed=2");
}

TEST(SweepGrid, LabelsThatTwoKeysShareAreTheWholeKeys) {
  const auto sweep = Read(R"({"grid": {"model.precision": ["float32"], "ppm.precision": ["float32"]}})");
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  EXPECT_EQ(sweep->points[0].name, "model.precision=float32,ppm.precision=float32");
}

// What is wrong, and words that the one line must hold; "@" stands for the file's name.
struct Bad {
  std::string text;
  std::vector<std::string> words;
};

TEST(SweepGrid, WhatIsWrongIsToldWithFileLineAndKey) {
  const std::vector<Bad> all = {
      {"{\n\"grid\": {\n\"search.temprature\": [0.5]}}",
       {"@:3: ", "search.temprature", "did you mean \"search.temperature\""}},
      {"{\n\"grid\": {\"search.temperature\": [0.5,\n11]}}",
       {"@:3: search.temperature: expected a number from 0 to 10", "11"}},
      {"{\"grid\": {\"search.temperature\": [\"0.5\"]}}", {"@:1: search.temperature", "\"0.5\""}},
      {"{\"grid\": {\"search.temperature\": 0.5}}",
       {"@:1: grid: search.temperature: expected a list of values, found 0.5"}},
      {"{\"grid\": {\"search.temperature\": []}}",
       {"search.temperature: expected a list of values, found an empty one"}},
      {"{\"grid\": {\"search.temperature\": [1,\n1.0]}}", {"@:2: grid: search.temperature: expected each value once"}},
      {"{\"grid\": {\"search.wave\": [1], \"search.wave\": [2]}}", {"expected each key once", "search.wave"}},
      {"{\"grid\": {\"run.seed\": [1]}}", {"@:1: ", "run.seed", "sweep.seeds"}},
      {"{\"grid\": {\"run.out\": [\"a\"]}}", {"run.out", "a folder of its own"}},
      {"{\"grid\": {\"train.batch\": [1]}}", {"expected a key that a campaign reads, found \"train.batch\""}},
      {"{\"grid\": [1]}", {"@:1: grid: expected an object in braces"}},
      {"{\"grid\": {}, \"grid\": {}}", {"expected each key once, found \"grid\""}},
      {"{\"sweep\": {\n\"seed\": \"1\"}}",
       {"@:2: expected a key of the section sweep (seeds, baseline, parallel), found \"seed\""}},
      {"{\"sweep\": {\"parallel\": 0}}", {"@:1: sweep.parallel: expected a whole number from 1 to 64, found 0"}},
      {"{\"sweep\": {\"seeds\": \"3-1\"}}", {"@:1: sweep.seeds: expected numbers and ranges", "3-1"}},
      {"{\"sweep\": {\"seeds\": \"1,1\"}}", {"sweep.seeds: expected each seed once, found 1"}},
      {"{\"sweep\": {\"seeds\": \"\"}}", {"sweep.seeds", "found none"}},
      {"{\"sweep\": {\"baseline\": \"search.wave=1\"}}",
       {"sweep.baseline: expected a key of the grid, found \"search.wave\""}},
      {"{\"sweep\": {\"baseline\": \"search.wave=3\"}, \"grid\": {\"search.wave\": [1, 2]}}",
       {"@:1: sweep.baseline: expected a value that the grid has of search.wave, found \"3\""}},
      {"{\"serch\": {}}", {"@:1: ", "serch", "did you mean \"search\""}},
      {"[]", {"@:1: expected an object in braces"}},
      {"{\"sweep\": {\"seeds\": \"1-90000\"}, \"grid\": {\"search.wave\": [1, 2]}}", {"at most 100000 cells"}},
  };
  for (const Bad& bad : all) {
    const fs::path file = FileOf(bad.text);
    const auto sweep = ReadSweep({.files = {file}});
    ASSERT_FALSE(sweep.ok()) << bad.text;
    EXPECT_EQ(ExitCode(sweep.status()), 2) << bad.text;
    EXPECT_EQ(Message(sweep.status()).find('\n'), std::string::npos) << bad.text;
    for (std::string word : bad.words) {
      if (word.starts_with('@')) word = file.string() + word.substr(1);
      EXPECT_THAT(Message(sweep.status()), HasSubstr(word)) << bad.text;
    }
  }
  const auto unknown = Read(kSmall, {{"sweep.sedes", "1"}});
  EXPECT_THAT(Message(unknown.status()), HasSubstr("--set: expected a key of the section sweep"));
}

TEST(SweepGrid, TheReadyOneIsTwoByTwoByThree) {
  const auto path = DataFile("configs/sweep-small.json");
  ASSERT_TRUE(path.ok());
  const auto sweep = ReadSweep({.files = {*path}});
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  EXPECT_EQ(sweep->cells.size(), 12u);
  EXPECT_EQ(sweep->baseline, 0u);
}

}  // namespace
}  // namespace orrery::runners
