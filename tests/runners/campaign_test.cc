// SPDX-License-Identifier: Apache-2.0

// The campaign as a user runs it, with real models: what it leaves, that the same seed gives the same bytes, that a
// stop loses nothing, and that bad input is told in one line.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/paths.h"
#include "tests/fresh.h"
#include "tests/runners/program.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// The small model in float32 with our AVX2 kernels: the same bits on every processor that this project supports.
const std::vector<std::string> kPortable = {"ONEDNN_MAX_CPU_ISA=AVX2"};

std::vector<std::string> Small(const std::string& out, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"--model=smollm2-135m-instruct",
                                        "--out=" + out,
                                        "--set",
                                        "run.limit=3",
                                        "--set",
                                        "model.precision=float32",
                                        "--set",
                                        "search.rollouts=2",
                                        "--set",
                                        "search.candidates=3",
                                        "--set",
                                        "search.max_step_tokens=32",
                                        "--set",
                                        "search.candidate_order=sampled",
                                        "--set",
                                        "search.resamples=0",
                                        "--quiet"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

nlohmann::json Summary(const std::string& out) {
  const auto text = ReadFile(fs::path(out) / "summary.json");
  EXPECT_TRUE(text.ok()) << Message(text.status());
  return nlohmann::json::parse(text.value_or("{}"));
}

TEST(CampaignRunner, SmallModelLeavesRecordsOfAKnownDigest) {
  const std::string out = FreshPath("small");
  const Ended ended = RunProgram("runners/campaign", Small(out), kPortable);
  ASSERT_EQ(ended.code, 0) << ended.errors;
  const auto summary = Summary(out);
  EXPECT_EQ(summary["problems"], 3);
  EXPECT_EQ(summary["finished"], 3);
  EXPECT_GE(summary["rollouts"], 3);
  EXPECT_GE(summary["candidates"], 9);
  EXPECT_GT(summary["tokens_generated"], 0);
  EXPECT_EQ(summary["model"], "smollm2-135m-instruct");
  for (const char* file :
       {"config.json", "trajectories.jsonl", "preferences.jsonl", "report.html", "telemetry.jsonl"}) {
    EXPECT_TRUE(fs::exists(fs::path(out) / file)) << file;
  }
  // Changes with the prompt, the quick-start problems, the kernels, the sampler or the record's schema: on purpose, or
  // not at all.
  EXPECT_EQ(summary["digest"], "ba62143d4db2e3a1618bb05de461f3d42ca875b0e67c3c1e151875d12db67de7");

  const Ended again = RunProgram("runners/campaign", Small(out), kPortable);
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.output, HasSubstr("this campaign is finished"));
}

TEST(CampaignRunner, ThreadsBatchLimitsEvictionsKillsAndAMoveLeaveTheSameBytes) {
  const std::string one = FreshPath("one"), two = FreshPath("two"), cut = FreshPath("cut"), moved = FreshPath("moved");
  ASSERT_EQ(RunProgram("runners/campaign", Small(one, {"--threads=1", "--set", "model.max_batch_rows=1"})).code, 0);
  const auto digest = Summary(one)["digest"];
  const std::vector<std::string> scarce = {"--threads=2",
                                           "--set",
                                           "model.max_batch_rows=8",
                                           "--set",
                                           "model.kv_bytes=41943040",
                                           "--set",
                                           "sandbox.snapshot_count=1"};
  ASSERT_EQ(RunProgram("runners/campaign", Small(two, scarce)).code, 0);
  EXPECT_EQ(Summary(two)["digest"], digest);
  EXPECT_GT(LastTelemetry(two)->value("orrery_kv_pages_evicted_total", 0.0), 0);

  // Interrupted as soon as the search has written something.
  bool told = false;
  const std::vector<std::string> wide = {"--threads=8", "--set", "model.max_batch_rows=64"};
  const Ended stopped = RunProgram("runners/campaign", Small(cut, wide), {}, [&](int pid) {
    if (told || !fs::exists(fs::path(cut) / "telemetry.jsonl")) return;
    kill(pid, SIGINT);
    told = true;
  });
  EXPECT_TRUE(stopped.code == 130 || stopped.code == 0) << stopped.errors;
  // Killed outright, as often as it takes to be sure that something was under way.
  const int killed = RunProgram("runners/campaign", Small(cut, wide), {}, [](int pid) {
                       usleep(2'500'000);
                       kill(pid, SIGKILL);
                     }).code;
  EXPECT_TRUE(killed == -SIGKILL || killed == 0);
  fs::rename(cut, moved);
  const Ended resumed = RunProgram("runners/campaign", Small(moved, wide));
  EXPECT_EQ(resumed.code, 0) << resumed.errors;
  EXPECT_EQ(Summary(moved)["digest"], digest);
}

TEST(CampaignRunner, TheDefaultModelSolvesEasyProblems) {
  const std::string out = FreshPath("solves");
  const Ended ended =
      RunProgram("runners/campaign", {"--out=" + out, "--limit=3", "--set", "search.rollouts=2", "--quiet"});
  ASSERT_EQ(ended.code, 0) << ended.errors;
  const auto summary = Summary(out);
  EXPECT_GE(summary["solved"], 2) << summary.dump(2);
  std::ifstream lines(fs::path(out) / "trajectories.jsonl");
  int kept = 0;
  for (std::string line; std::getline(lines, line); ++kept) {
    const auto trajectory = nlohmann::json::parse(line);
    EXPECT_THAT(trajectory["completion"].get<std::string>(), testing::StartsWith("<code>\n"));
    EXPECT_THAT(trajectory["completion"].get<std::string>(), HasSubstr("<output>"));
    EXPECT_THAT(trajectory["completion"].get<std::string>(), HasSubstr("\\boxed{"));
  }
  EXPECT_GE(kept, 2);
  const auto page = ReadFile(fs::path(out) / "report.html");
  ASSERT_TRUE(page.ok());
  EXPECT_THAT(*page, HasSubstr("<svg"));
}

// What is wrong, and words that the one line must hold.
struct Bad {
  std::vector<std::string> arguments;
  std::vector<std::string> words;
};

TEST(CampaignRunner, BadInputIsToldInOneLineAndEndsWithTwo) {
  const std::string folder = FreshPath("bad");
  fs::create_directories(folder);
  const auto file = [&](const std::string& name, const std::string& content) {
    std::ofstream(fs::path(folder) / name) << content;
    return (fs::path(folder) / name).string();
  };
  const std::string out = "--out=" + folder + "/out";
  const std::vector<Bad> all = {
      {{out, "--config=" + file("typo.json", "{\n  \"search\": {\"rolouts\": 3}\n}\n")}, {"typo.json:2", "rolouts"}},
      {{out, "--config=" + file("type.json", "{\"search\": {\n\"rollouts\": \"3\"}}")},
       {"type.json:2", "search.rollouts"}},
      {{out, "--config=" + folder + "/none.json"}, {"none.json"}},
      {{out, "--set", "search.rollouts=0"}, {"search.rollouts"}},
      {{out, "--set", "search.preset=paper-r9"}, {"search.preset", "paper-r1"}},
      {{out, "--problems=" + folder + "/none.jsonl"}, {"none.jsonl"}},
      {{out, "--problems=" + file("empty.jsonl", "")}, {"empty.jsonl"}},
      {{out, "--set", "problems.bad_line=fatal",
        "--problems=" + file("half.jsonl", "{\"question\": \"1+1?\", \"answer\": \"2\"}\n{\"question\": \"2+2?\"}\n")},
       {"half.jsonl:2"}},
      {{out, "--set", "problems.bad_line=fatal",
        "--problems=" + file("bytes.jsonl", "{\"question\": \"\xff\xfe\", \"answer\": \"2\"}\n")},
       {"bytes.jsonl:1"}},
      {{out, "--model=" + folder + "/none.gguf"}, {"none.gguf"}},
      {{out, "--model=" + file("short.gguf", "GGUF\x03")}, {"short.gguf"}},
      {{out, "--model=" + file("text.gguf", "this is no model at all, but it is long enough to look like one")},
       {"text.gguf"}},
      {{"--out=/proc/no"}, {"/proc/no"}},
      {{out, "--no-such-flag"}, {"--no-such-flag"}},
  };
  for (const Bad& bad : all) {
    const Ended ended = RunProgram("runners/campaign", bad.arguments);
    EXPECT_EQ(ended.code, 2) << bad.arguments.back() << "\n" << ended.errors;
    for (const auto& word : bad.words) EXPECT_THAT(ended.errors, HasSubstr(word));
  }
}

TEST(CampaignRunner, AStoreOfAnotherConfigurationIsRefused) {
  const std::string out = FreshPath("other");
  ASSERT_EQ(RunProgram("runners/campaign", Small(out, {"--limit=1"})).code, 0);
  const auto before = Summary(out);
  const Ended ended = RunProgram("runners/campaign", Small(out, {"--limit=1", "--seed=77"}));
  EXPECT_EQ(ended.code, 2);
  EXPECT_THAT(ended.errors, HasSubstr(before["fingerprint"].get<std::string>()));
  EXPECT_EQ(Summary(out), before);
}

TEST(CampaignRunner, FilesOfASmallerRunAreNotTakenForItsOwn) {
  const std::string out = FreshPath("stale");
  const std::vector<std::string> files = {"trajectories.jsonl", "preferences.jsonl", "report.html", "summary.json"};
  ASSERT_EQ(RunProgram("runners/campaign", Small(out, {"--limit=1"})).code, 0);
  for (const auto& file : files) fs::copy(fs::path(out) / file, fs::path(out) / (file + ".old"));
  ASSERT_EQ(RunProgram("runners/campaign", Small(out, {"--limit=2"})).code, 0);
  const auto summary = Summary(out);
  EXPECT_EQ(summary["problems"], 2);
  // As a kill leaves it between the last tree and the files that tell of it.
  for (const auto& file : files) fs::rename(fs::path(out) / (file + ".old"), fs::path(out) / file);
  const Ended again = RunProgram("runners/campaign", Small(out, {"--limit=2"}));
  EXPECT_EQ(again.code, 0) << again.errors;
  EXPECT_EQ(Summary(out)["problems"], 2);
  EXPECT_EQ(Summary(out)["digest"], summary["digest"]);
}

TEST(CampaignRunner, HelpNamesEveryKey) {
  const Ended ended = RunProgram("runners/campaign", {"--help"});
  EXPECT_EQ(ended.code, 0);
  for (const char* key : {"search.rollouts", "model.kv_bytes", "sandbox.isolation", "run.seed", "grader.wall_seconds"})
    EXPECT_THAT(ended.output, HasSubstr(key));
}

}  // namespace
}  // namespace orrery
