// SPDX-License-Identifier: Apache-2.0

// The sweep as a user runs it, with a real model: the same bytes whether it was killed, stopped or left alone, cells
// that share a model and have the records they would have had without it, and cells that fail while the others go on.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/paths.h"
#include "model/registry/registry.h"
#include "runners/common/shared_models.h"
#include "tests/fresh.h"
#include "tests/runners/program.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// Two temperatures by two seeds over three problems; a cell takes seconds.
std::string Grid(const std::string& axes) {
  return R"({
  "sweep": {"seeds": "1-2", "parallel": 2},
  "grid": {)" +
         axes + R"(},
  "run": {"limit": 3},
  "search": {"rollouts": 2, "candidates": 2, "max_step_tokens": 32, "max_depth": 4, "candidate_order": "sampled", "resamples": 0},
  "model": {"name": "smollm2-135m-instruct", "precision": "float32", "kv_bytes": 268435456},
  "sandbox": {"packages": ""}
})";
}

fs::path GridFile(const fs::path& folder, const std::string& axes = R"("search.temperature": [0.7, 1.0])") {
  std::ofstream(folder / "grid.json") << Grid(axes);
  return folder / "grid.json";
}

Ended Sweep(const fs::path& grid, const fs::path& out, const std::function<void(int)>& while_running = nullptr,
            const std::vector<std::string>& environment = {}) {
  return RunProgram("runners/sweep", {"--config=" + grid.string(), "--out=" + out.string()}, environment,
                    while_running);
}

// What promises to be the same bytes.
std::map<std::string, std::string> Bytes(const fs::path& out) {
  std::map<std::string, std::string> files;
  for (const char* file : {"table.md", "table.csv", "cells.csv", "sweep.json", "report.html"}) {
    const auto text = ReadFile(out / file);
    EXPECT_TRUE(text.ok()) << text.status();
    files[file] = text.value_or("");
  }
  return files;
}

nlohmann::json Json(const fs::path& file) { return nlohmann::json::parse(ReadFile(file).value_or("{}")); }

size_t FinishedCells(const fs::path& out) {
  std::error_code error;
  size_t finished = 0;
  for (const auto& cell : fs::directory_iterator(out / "cells", error))
    finished += fs::exists(cell.path() / "summary.json", error) ? 1 : 0;
  return finished;
}

// A sweep that nothing disturbed, run once for all tests.
const fs::path& Whole() {
  static const fs::path out = [] {
    const fs::path folder = FreshFolder("whole");
    const Ended whole = Sweep(GridFile(folder), folder / "out");
    EXPECT_EQ(whole.code, 0) << whole.errors;
    EXPECT_THAT(whole.output, HasSubstr("| temperature | cells | solved % |"));
    EXPECT_THAT(whole.output, HasSubstr("| 0.7 | 2 of 2 |"));
    EXPECT_THAT(whole.errors, HasSubstr("cell 4 of 4, temperature="));
    EXPECT_THAT(whole.errors, HasSubstr("slowest: temperature="));
    return folder / "out";
  }();
  return out;
}

void ExpectTheBytesOfTheWhole(const fs::path& out) {
  const auto expected = Bytes(Whole()), found = Bytes(out);
  for (const auto& [file, bytes] : expected) EXPECT_TRUE(found.at(file) == bytes) << file;
}

TEST(SweepRunner, CellsThatShareTheirModelHaveTheRecordsOfTheirCampaignAlone) {
  const auto json = Json(Whole() / "sweep.json");
  ASSERT_EQ(json["cells"].size(), 4u);
  for (const auto& cell : json["cells"]) {
    EXPECT_EQ(cell["state"], "finished");
    EXPECT_EQ(cell["problems"], 3);
  }
  EXPECT_NE(json["cells"][0]["digest"], json["cells"][1]["digest"]) << "another seed";
  EXPECT_NE(json["cells"][0]["digest"], json["cells"][2]["digest"]) << "another temperature";
  const fs::path cell = Whole() / "cells" / "temperature=1,seed=2", out = FreshFolder("alone") / "out";
  const Ended alone =
      RunProgram("runners/campaign", {"--config=" + (cell / "config.json").string(), "--out=" + out.string()});
  ASSERT_EQ(alone.code, 0) << alone.errors;
  EXPECT_EQ(Json(out / "summary.json")["digest"], json["cells"][3]["digest"]);
}

TEST(SweepRunner, KilledStoppedOrLeftAloneTheBytesAreTheSame) {
  const fs::path folder = FreshFolder("cut"), grid = GridFile(folder), cut = folder / "out";
  // Killed outright once a cell is done.
  bool done = false;
  const Ended killed = Sweep(grid, cut, [&](int pid) {
    if (!done && FinishedCells(cut) > 0) done = kill(pid, SIGKILL) == 0;
  });
  EXPECT_EQ(killed.code, -SIGKILL);
  ASSERT_LT(FinishedCells(cut), 4u);
  // A disk that fills while the store writes (base/fault_point.h).
  const Ended full = Sweep(grid, cut, nullptr, {"ORRERY_FAULT=log.write:3:full"});
  EXPECT_EQ(full.code, 1) << full.errors;
  EXPECT_THAT(full.errors, HasSubstr("sweep: no space is left in " + cut.string() + ": about "));
  EXPECT_THAT(full.errors, HasSubstr("more are needed for the rest"));
  EXPECT_EQ(full.errors.find("failed"), std::string::npos) << "nothing is wrong with the cells";
  // Told to stop once the last setting is at work.
  done = false;
  const size_t before = FinishedCells(cut);
  const fs::path at_work = cut / "cells" / "temperature=1,seed=1" / "telemetry.jsonl";
  fs::remove(at_work);
  const Ended stopped = Sweep(grid, cut, [&](int pid) {
    if (!done && fs::exists(at_work)) done = kill(pid, SIGINT) == 0;
  });
  EXPECT_TRUE(stopped.code == 130 || stopped.code == 0) << stopped.errors;
  EXPECT_GE(FinishedCells(cut), before);
  if (stopped.code == 130) {
    EXPECT_THAT(stopped.output, HasSubstr("cells are not finished yet"));
    EXPECT_THAT(stopped.errors, HasSubstr("run the same command again to go on"));
  }
  const Ended resumed = Sweep(grid, cut);
  ASSERT_EQ(resumed.code, 0) << resumed.errors;
  ExpectTheBytesOfTheWhole(cut);

  // Finished cells are not run again: nothing is added to what they counted.
  const fs::path telemetry = cut / "cells" / "temperature=0.7,seed=1" / "telemetry.jsonl";
  const auto size = fs::file_size(telemetry);
  const Ended again = Sweep(grid, cut);
  EXPECT_EQ(again.code, 0) << again.errors;
  EXPECT_THAT(again.errors, HasSubstr("was finished"));
  EXPECT_EQ(fs::file_size(telemetry), size);
  ExpectTheBytesOfTheWhole(cut);
}

TEST(SweepRunner, ACellThatFailsIsToldAndTheOthersGoOn) {
  const fs::path folder = FreshFolder("failing");
  const fs::path missing = folder / "none.gguf";
  const fs::path grid = GridFile(folder, "\"model.name\": [\"smollm2-135m-instruct\", \"" + missing.string() + "\"]");
  const Ended ended = Sweep(grid, folder / "out");
  EXPECT_EQ(ended.code, 1) << ended.errors;
  EXPECT_THAT(ended.errors, HasSubstr("sweep: 2 of 4 cells failed"));
  EXPECT_THAT(ended.output, HasSubstr("Failed, and not in the table:"));
  EXPECT_THAT(ended.output, HasSubstr(missing.string()));
  const auto json = Json(folder / "out" / "sweep.json");
  ASSERT_EQ(json["cells"].size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(json["cells"][i]["state"], i < 2 ? "finished" : "failed");
  EXPECT_THAT(json["cells"][3]["failure"].get<std::string>(), HasSubstr("none.gguf"));
  EXPECT_THAT(ReadFile(folder / "out" / "report.html").value_or(""), HasSubstr("2 cells failed"));
}

TEST(SweepRunner, BadInputIsToldInOneLineAndNothingIsRun) {
  const fs::path folder = FreshFolder("badsweep");
  const fs::path grid = GridFile(folder, "\n\"search.temprature\": [1]");
  const Ended ended = Sweep(grid, folder / "out");
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.errors, "sweep: " + grid.string() +
                              ":4: expected a key of the configuration, found \"search.temprature\"; did you mean "
                              "\"search.temperature\"?\n");
  EXPECT_FALSE(fs::exists(folder / "out"));
  const Ended problems = RunProgram("runners/sweep", {"--config=" + GridFile(folder).string(), "--problems=/none.jsonl",
                                                      "--out=" + (folder / "out").string()});
  EXPECT_EQ(problems.code, 2);
  EXPECT_THAT(problems.errors, HasSubstr("/none.jsonl"));
  const Ended help = RunProgram("runners/sweep", {"--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* key : {"sweep.seeds [plan]", "sweep.baseline", "search.temperature", "configs/sweep-small.json"})
    EXPECT_THAT(help.output, HasSubstr(key));
}

TEST(SharedModels, CampaignsOfOneModelLoadItOnceAndGiveItBack) {
  const auto config =
      schema::ParseConfig(R"({"model": {"name": "smollm2-135m-instruct", "kv_bytes": 67108864}})", "test");
  ASSERT_TRUE(config.ok()) << config.status();
  const auto other = schema::ParseConfig(config->json(), "test", {{"model.precision", "float32"}});
  const auto registry = model::Registry::Load();
  ASSERT_TRUE(registry.ok()) << registry.status();
  const auto path = model::LocateModel(*registry, "smollm2-135m-instruct", {});
  ASSERT_TRUE(path.ok()) << path.status();
  runners::SharedModels models;
  for (int i = 0; i < 2; ++i) models.Expect(**config);
  {
    const auto a = models.Policy(*path, **config), b = models.Policy(*path, **config);
    ASSERT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
    EXPECT_NE(a->get(), b->get());
    EXPECT_EQ(&(*a)->tokenizer(), &(*b)->tokenizer());
    EXPECT_EQ(models.loads(), 1u);
  }
  models.Release(**config);
  ASSERT_TRUE(models.Policy(*path, **config).ok());
  EXPECT_EQ(models.loads(), 1u) << "one more campaign will come";
  ASSERT_TRUE(models.Policy(*path, **other).ok());
  EXPECT_EQ(models.loads(), 2u) << "another precision is another engine";
  models.Release(**config);
  ASSERT_TRUE(models.Policy(*path, **config).ok());
  EXPECT_EQ(models.loads(), 3u) << "it was given back";
}

}  // namespace
}  // namespace orrery
