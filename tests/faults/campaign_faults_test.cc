// SPDX-License-Identifier: Apache-2.0

// Whatever breaks under a campaign, it can be started again: killed at any moment and before and after each durable
// write, writes and flushes that fail or tear, a full disk, workers killed, a server that breaks. Each time the next
// run ends with the records of an undisturbed one, pays for nothing twice that was acknowledged, and no export was ever
// half there.
//
// Thirty faults, or ORRERY_FAULTS of them (300 in .ci/long).

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <random>
#include <thread>

#include "base/paths.h"
#include "tests/faults/broken_server.h"
#include "tests/faults/small_run.h"
#include "tests/sandbox/processes.h"

namespace orrery::faults {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

double Seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// One undisturbed run for all tests of a process, and the seconds that it takes.
struct Reference {
  Undisturbed run;
  double seconds = 0;
  fs::path half;  // a run that was killed in the middle: what reopening a store meets
};
const Reference& TheReference() {
  static const Reference reference = [] {
    Reference made;
    const double begin = Seconds();
    made.run = MakeUndisturbed();
    made.seconds = Seconds() - begin;
    made.half = Fresh();
    const std::string fault = "ORRERY_FAULT=commit:" + std::to_string(made.run.expansions / 2) + ":kill";
    EXPECT_EQ(RunCampaign(made.half, {}, {fault}).code, -SIGKILL);
    EXPECT_GT(StoredExpansions(made.half), 0u);
    return made;
  }();
  return reference;
}

// A folder to break: empty, or a copy of the run that was killed in the middle.
fs::path Start(bool half) {
  const fs::path out = Fresh();
  if (half) fs::copy(TheReference().half, out, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  fs::remove(out / "telemetry.jsonl");
  return out;
}

// What the last process of a run says that it wrote durably.
uint64_t Acknowledged(const fs::path& out) {
  const auto telemetry = LastTelemetry(out);
  return telemetry ? telemetry->value("orrery_store_expansions_total", uint64_t{0}) : 0;
}

TEST(CampaignFaults, KilledAtRandomMoments) {
  const Reference& reference = TheReference();
  std::mt19937 random(1);
  for (int i = 0; i < Faults(6); ++i) {
    const fs::path out = Start(i % 2 == 1);
    const uint64_t before = StoredExpansions(out);
    const double at = Seconds() + reference.seconds * std::uniform_real_distribution<double>(0.05, 0.95)(random);
    SCOPED_TRACE("kill " + std::to_string(i) + " in " + out.string());
    const Ended ended = RunCampaign(out, {}, {}, [&](int pid) {
      if (Seconds() >= at) kill(pid, SIGKILL);
    });
    EXPECT_TRUE(ended.code == -SIGKILL || ended.code == 0) << ended.code << ended.errors;
    ExpectResumes(out, reference.run, before + Acknowledged(out));
  }
}

// A point, how often it is passed about, and whether that is when a store is opened again.
struct Point {
  const char* name;
  uint64_t passes;
  bool half;
};

// Runs with the fault at a random pass; earlier and earlier until it was met. The words of the program.
Ended Break(const fs::path& out, const Point& point, const std::string& action, std::mt19937& random) {
  Ended ended;
  for (uint64_t pass = random() % point.passes + 1;; pass = (pass + 1) / 2) {
    const std::string fault = "ORRERY_FAULT=" + std::string(point.name) + ":" + std::to_string(pass) + ":" + action;
    ended = RunCampaign(out, {}, {fault});
    const bool met = ended.errors.find("fault: ") != std::string::npos;
    if (met || pass == 1) {
      EXPECT_TRUE(met) << fault << " was never met\n" << ended.errors;
      return ended;
    }
    fs::remove_all(out);
    fs::create_directories(out);
    if (point.half)
      fs::copy(TheReference().half, out, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    fs::remove(out / "telemetry.jsonl");
  }
}

TEST(CampaignFaults, KilledAtMarkedPoints) {
  const Reference& reference = TheReference();
  const uint64_t commits = reference.run.expansions;
  const std::vector<Point> points = {
      {"commit", commits, false},       {"committed", commits, false}, {"log.written", commits, false},
      {"log.sync", commits, false},     {"export.rename", 5, false},   {"export.renamed", 5, false},
      {"table.write", 2, true},         {"table.synced", 1, true},     {"manifest.sync", 2, true},
      {"manifest.written", 3, true},    {"rename", 1, true},           {"log.synced", commits, false},
      {"table.sync", 1, true},          {"export.sync", 5, false},     {"other.write", 2, true},
      {"committed", commits / 2, true}, {"export.write", 5, true},     {"manifest.synced", 2, false}};
  std::mt19937 random(2);
  for (int i = 0; i < Faults(9); ++i) {
    const Point& point = points[static_cast<size_t>(i) % points.size()];
    const fs::path out = Start(point.half);
    const uint64_t before = StoredExpansions(out);
    SCOPED_TRACE(std::string("kill at ") + point.name + " in " + out.string());
    const Ended ended = Break(out, point, "kill", random);
    EXPECT_EQ(ended.code, -SIGKILL) << ended.errors;
    ExpectResumes(out, reference.run, before + Acknowledged(out));
  }
}

TEST(CampaignFaults, WritesAndFlushesThatFailOrTear) {
  const Reference& reference = TheReference();
  const uint64_t commits = reference.run.expansions;
  const std::vector<std::pair<Point, std::string>> faults = {
      {{"log.write", commits, false}, "fail"}, {{"log.write", commits, false}, "tear"},
      {{"log.sync", commits, false}, "fail"},  {{"log.write", commits, false}, "full"},
      {{"export.write", 4, false}, "full"},    {{"export.write", 4, false}, "tear"},
      {{"export.sync", 4, false}, "fail"},     {{"table.write", 2, true}, "fail"},
      {{"table.write", 1, true}, "tear"},      {{"manifest.write", 2, true}, "fail"},
      {{"manifest.write", 2, true}, "tear"},   {{"manifest.sync", 1, true}, "fail"},
      {{"rename", 1, true}, "fail"},           {{"table.write", 1, true}, "full"},
      {{"export.write", 4, true}, "fail"},     {{"log.sync", commits / 2, true}, "fail"}};
  std::mt19937 random(3);
  for (int i = 0; i < Faults(8); ++i) {
    const auto& [point, action] = faults[static_cast<size_t>(i) % faults.size()];
    const fs::path out = Start(point.half);
    const uint64_t before = StoredExpansions(out);
    SCOPED_TRACE(action + " at " + point.name + " in " + out.string());
    const Ended ended = Break(out, point, action, random);
    EXPECT_EQ(ended.code, action == "tear" ? -SIGKILL : 1) << ended.errors;
    if (action == "full") {
      EXPECT_THAT(ended.errors, testing::AnyOf(HasSubstr("no space"), HasSubstr("No space")));
    }
    ExpectResumes(out, reference.run, before + Acknowledged(out));
  }
}

// A disk of the size of a few records where this process may mount one; else the store's files are told that it is
// full.
class SmallDisk {
 public:
  explicit SmallDisk(const fs::path& folder) : folder_(folder.string()) {
    mounted_ = Mount(0, 300'000);
    if (!mounted_) std::printf("no tmpfs can be mounted here: the disk is made full by ORRERY_FAULT\n");
  }
  ~SmallDisk() {
    if (mounted_) umount2(folder_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  bool Resize(uint64_t bytes) { return Mount(MS_REMOUNT, bytes); }

 private:
  bool Mount(unsigned long flags, uint64_t bytes) {
    const std::string size = "size=" + std::to_string(bytes);
    return mount("tmpfs", folder_.c_str(), "tmpfs", flags, size.c_str()) == 0;
  }
  const std::string folder_;
  bool mounted_ = false;
};

// Bytes that a folder's files take of a tmpfs.
uint64_t Pages(const fs::path& folder) {
  constexpr uint64_t kPage = 4096;
  uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    bytes += entry.is_regular_file() ? (entry.file_size() + kPage - 1) / kPage * kPage : 0;
  return bytes;
}

TEST(CampaignFaults, ADiskThatFills) {
  const Reference& reference = TheReference();
  std::mt19937 random(4);
  for (int i = 0; i < Faults(1); ++i) {
    const fs::path out = Fresh();
    SmallDisk disk(out);
    SCOPED_TRACE("full disk " + std::to_string(i));
    std::string fault = "ORRERY_FAULT=";
    if (!disk.mounted()) {
      fault += "log.write:" + std::to_string(random() % reference.run.expansions + 2) + ":full";
    } else {
      // From too small for the store itself to too small for the files beside it.
      ASSERT_TRUE(disk.Resize(Pages(reference.run.out) * (25 + random() % 55) / 100));
    }
    const Ended ended = RunCampaign(out, {}, {fault});
    EXPECT_EQ(ended.code, 1) << ended.errors;
    EXPECT_THAT(ended.errors, testing::AnyOf(HasSubstr("no space"), HasSubstr("No space")));
    const uint64_t acknowledged = Acknowledged(out);
    if (disk.mounted()) {
      ASSERT_TRUE(disk.Resize(100'000'000));
    }
    if (acknowledged > 0) {
      EXPECT_THAT(ended.errors, HasSubstr("more are needed for the rest"));
    }
    ExpectResumes(out, reference.run, acknowledged);
  }
}

// A worker that dies is tried again elsewhere: the run itself goes on, with the same records.
TEST(CampaignFaults, WorkersThatAreKilled) {
  const Reference& reference = TheReference();
  std::mt19937 random(5);
  const std::vector<std::string> workers = {"supervisor", "interpreter", "python3"};
  for (int i = 0; i < Faults(3); ++i) {
    const std::string& worker = workers[static_cast<size_t>(i) % workers.size()];
    int deaths = 0;
    fs::path out;
    // On a quick machine a run may be over before the worker is hit.
    for (int tries = 0; tries < 5 && deaths == 0; ++tries) {
      out = Start(false);
      int wait = static_cast<int>(random() % 10) / (tries + 1);  // twentieths of a second in which it is there
      const Ended ended = RunCampaign(out, {}, {}, [&](int pid) {
        // The first line of telemetry comes when the search is under way.
        const auto found = sandbox::Descendants(worker, pid);
        if (deaths > 0 || found.empty() || !fs::exists(out / "telemetry.jsonl") || --wait > 0) return;
        deaths += kill(found[random() % found.size()], SIGKILL) == 0;
      });
      EXPECT_EQ(ended.code, 0) << worker << "\n" << ended.errors;
    }
    SCOPED_TRACE(worker + " in " + out.string());
    EXPECT_EQ(deaths, 1) << "no " << worker << " was ever there";
    ExpectResumes(out, reference.run, reference.run.expansions);
  }
}

TEST(CampaignFaults, AServerThatBreaks) {
  Background serve("runners/serve", {"--model=smollm2-135m-instruct", "--set", "serve.listen=127.0.0.1:0", "--set",
                                     "model.kv_bytes=67108864"});
  ASSERT_NE(serve.first_line(), "") << serve.Stop(SIGKILL).errors;
  BrokenServer server(serve.first_line().substr(0, serve.first_line().find(' ')));
  const std::vector<std::string> more = {
      "--set", "endpoint.url=" + server.url(), "--set", "endpoint.server=orrery",    "--set", "endpoint.retries=2",
      "--set", "endpoint.retry_seconds=0.02",  "--set", "endpoint.answer_seconds=20"};
  const Undisturbed expected = MakeUndisturbed(more);
  const int calls = server.calls();
  ASSERT_GT(calls, 8);
  std::mt19937 random(6);
  for (int i = 0; i < Faults(3); ++i) {
    const auto way = static_cast<BrokenServer::Way>(i % BrokenServer::kWays);
    // Once, which a retry mends; or from then on, which ends the run until the server is well again.
    const bool lasting = i % 2 == 1;
    const fs::path out = Fresh();
    SCOPED_TRACE("way " + std::to_string(i % BrokenServer::kWays) + (lasting ? ", lasting" : ", once"));
    server.Break(way, static_cast<int>(random() % static_cast<unsigned>(calls - 4)) + 2, lasting);
    const Ended ended = RunCampaign(out, more);
    EXPECT_TRUE(server.broke());
    EXPECT_EQ(ended.code, lasting ? 1 : 0) << ended.errors;
    server.Mend();
    ExpectResumes(out, expected, Acknowledged(out), more);
  }
}

}  // namespace
}  // namespace orrery::faults
