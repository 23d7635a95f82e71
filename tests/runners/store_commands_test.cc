// SPDX-License-Identifier: Apache-2.0
// store ls, show, tree, stats, compact and diff on the store of a real small campaign.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/paths.h"
#include "runners/store_commands/compact.h"
#include "runners/store_commands/diff.h"
#include "runners/store_commands/list.h"
#include "runners/store_commands/show.h"
#include "runners/store_commands/verify.h"
#include "store/store.h"
#include "tests/runners/small_campaign.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class StoreCommands : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::path(testing::TempDir()) / ("commands" + std::to_string(getpid()));
    run_ = folder_ / "run";
    RunSmallCampaign({.run = run_});
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  static fs::path Copy(const std::string& name) {
    const fs::path copy = folder_ / name;
    fs::remove_all(copy);
    fs::copy(run_, copy, fs::copy_options::recursive);
    return copy;
  }

  static fs::path folder_, run_;
};
fs::path StoreCommands::folder_, StoreCommands::run_;

TEST_F(StoreCommands, LsTellsALineAProblem) {
  const Said json = Saying([] { return runners::ListProblems({run_, true}); });
  EXPECT_EQ(json.code, 0);
  const auto lines = json.Lines();
  ASSERT_EQ(lines.size(), 8U);
  int solved = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i]["problem"], "p" + std::to_string(i));
    EXPECT_EQ(lines[i]["finished"], true);
    EXPECT_GT(lines[i]["rollouts"], 0);
    EXPECT_LE(lines[i]["rollouts"], 6);
    EXPECT_GT(lines[i]["expansions"], 0);
    EXPECT_GT(lines[i]["tokens_generated"], 0);
    const bool hard = lines[i]["difficulty"] == "hard";
    EXPECT_EQ(lines[i]["solved"], !hard) << lines[i];
    solved += hard ? 0 : 1;
  }
  EXPECT_GT(solved, 0);
  const Said text = Saying([] { return runners::ListProblems({run_}); });
  EXPECT_EQ(std::ranges::count(text.text, '\n'), 9);
  EXPECT_THAT(text.text, HasSubstr("\np0 "));
}

TEST_F(StoreCommands, StatsAddUpToTheLines) {
  const auto lines = Saying([] { return runners::ListProblems({run_, true}); }).Lines();
  const Said said = Saying([] { return runners::CountStore({run_, true}); });
  EXPECT_EQ(said.code, 0);
  const auto stats = nlohmann::json::parse(said.text);
  for (const char* field :
       {"rollouts", "expansions", "tokens_generated", "candidates", "steps_executed", "record_bytes"}) {
    uint64_t sum = 0;
    for (const auto& line : lines) sum += line[field].get<uint64_t>();
    EXPECT_EQ(stats["all"][field], sum) << field;
    for (const char* group : {"by_difficulty", "by_level", "by_source"}) {
      uint64_t of_groups = 0;
      for (const auto& [name, counts] : stats[group].items()) of_groups += counts[field].get<uint64_t>();
      EXPECT_EQ(of_groups, sum) << group << " " << field;
    }
  }
  EXPECT_EQ(stats["all"]["problems"], 8);
  EXPECT_EQ(stats["by_source"]["even"]["problems"], 4);
  EXPECT_EQ(stats["by_level"]["level 0"]["problems"], 3);
  EXPECT_GT(stats["all"]["verdicts"]["Ok"], 0);
  EXPECT_GT(stats["all"]["verdicts"]["RuntimeError"], 0);
  EXPECT_GT(stats["all"]["grades"]["Equal"], 0);
  EXPECT_GT(stats["disk_bytes"], stats["all"]["record_bytes"]) << "nothing is compressed in the log";
  EXPECT_EQ(stats["memo"]["unfinished_problems"], 0);
  EXPECT_THAT(Saying([] { return runners::CountStore({run_}); }).text, HasSubstr("8 finished trees"));
}

TEST_F(StoreCommands, ShowAndTreeOfAProblemByItsName) {
  const auto lines = Saying([] { return runners::ListProblems({run_, true}); }).Lines();
  const auto solved = std::ranges::find_if(lines, [](const auto& line) { return line["solved"] == true; });
  ASSERT_NE(solved, lines.end());
  const std::string id = (*solved)["problem"], key = (*solved)["key"];
  const Said shown = Saying([&] { return runners::ShowProblem({.run = run_, .problem = id, .trajectories = 1}); });
  EXPECT_EQ(shown.code, 0);
  EXPECT_THAT(shown.text, StartsWith(id + ": solved"));
  EXPECT_THAT(shown.text, HasSubstr("question: What?\n"));
  EXPECT_THAT(shown.text, HasSubstr("right (")) << shown.text;
  EXPECT_THAT(shown.text, HasSubstr("<code>\n"));
  EXPECT_THAT(shown.text, HasSubstr("\\boxed{1}"));
  EXPECT_EQ(Saying([&] { return runners::ShowProblem({.run = run_, .problem = key, .trajectories = 1}); }).text,
            shown.text);

  const Said tree = Saying([&] { return runners::ShowTree({.run = run_, .problem = id}); });
  EXPECT_EQ(tree.code, 0);
  EXPECT_THAT(tree.text, HasSubstr("\nN " + std::to_string((*solved)["rollouts"].get<int>()) + " Q "));
  EXPECT_THAT(tree.text, HasSubstr("1 Equal, right"));
  EXPECT_EQ(std::ranges::count(tree.text, '\n'), (*solved)["nodes"].get<int>() + 1);
  const Said all = Saying([&] { return runners::ShowTree({.run = run_, .problem = id, .all = true}); });
  EXPECT_THAT(all.text, HasSubstr("invalid: "));
  EXPECT_GT(all.text.size(), tree.text.size());
}

TEST_F(StoreCommands, ANameThatIsNoneOrNotOne) {
  const auto error = [](const std::string& name) {
    return Saying([&] { return runners::ShowProblem({.run = run_, .problem = name}); }).text;
  };
  EXPECT_THAT(error("q"), HasSubstr("problem q: no finished tree of it"));
  EXPECT_THAT(error("p"), HasSubstr("more than one begins so: p0#"));
  EXPECT_THAT(Saying([] { return runners::ListProblems({folder_ / "nowhere"}); }).text, HasSubstr("no such folder"));
  EXPECT_THAT(Saying([] { return runners::ListProblems({folder_}); }).text, HasSubstr("there is no store in"));
}

TEST_F(StoreCommands, CompactKeepsEveryRecord) {
  const fs::path copy = Copy("compacted");
  const Said said = Saying([&] { return runners::CompactStore(copy); });
  EXPECT_EQ(said.code, 0) << said.text;
  EXPECT_THAT(said.text, HasSubstr(" bytes before, "));
  EXPECT_EQ(Saying([&] { return runners::DiffStores({.a = run_, .b = copy}); }).code, 0);
  EXPECT_EQ(Saying([&] { return runners::VerifyStore({.run = copy}); }).code, 0);
  // Compressed, and without what the memo held before its trees were finished.
  const auto stats = [](const fs::path& run) {
    return nlohmann::json::parse(Saying([&] { return runners::CountStore({run, true}); }).text);
  };
  EXPECT_LT(stats(copy)["disk_bytes"], stats(run_)["disk_bytes"]);
  EXPECT_EQ(stats(copy)["all"], stats(run_)["all"]);

  auto writer = store::Store::Open(copy / "store", "fingerprint", "{}");
  ASSERT_TRUE(writer.ok());
  EXPECT_THAT(Saying([&] { return runners::CompactStore(copy); }).text, HasSubstr("already open"));
}

TEST_F(StoreCommands, TheSameRunTwiceDoesNotDiffer) {
  const fs::path again = folder_ / "again";
  RunSmallCampaign({.run = again, .timing = 77});  // messages came in another order
  const Said said = Saying([&] { return runners::DiffStores({.a = run_, .b = again}); });
  EXPECT_EQ(said.code, 0);
  EXPECT_EQ(said.text, "8 problems the same, 0 different\n");
}

TEST_F(StoreCommands, DiffNamesTheFirstExpansionAndShowsBoth) {
  const fs::path other = folder_ / "other";
  RunSmallCampaign({.run = other, .seed = 10});
  const Said json = Saying([&] { return runners::DiffStores({.a = run_, .b = other, .json = true}); });
  EXPECT_EQ(json.code, 1);
  const auto lines = json.Lines();
  ASSERT_GT(lines.size(), 2U);
  EXPECT_EQ(lines.back()["same"].get<int>() + lines.back()["different"].get<int>(), 8);
  EXPECT_EQ(lines[0]["path_a"], "/") << "another seed samples other texts at the root";
  EXPECT_EQ(lines[0]["equal_expansions"], 0);
  EXPECT_NE(lines[0]["a"], lines[0]["b"]);
  const Said text = Saying([&] { return runners::DiffStores({.a = run_, .b = other, .shown = 1}); });
  EXPECT_EQ(text.code, 1);
  EXPECT_THAT(text.text, HasSubstr("p0: the first 0 expansions are the same; then, at /: candidate "));
  EXPECT_THAT(text.text, HasSubstr("A at /, "));
  EXPECT_THAT(text.text, HasSubstr(" | B at /, "));
}

TEST_F(StoreCommands, DiffFindsOneExpansionThatWasChanged) {
  const fs::path copy = Copy("changed");
  std::string path;
  {
    auto store = store::Store::Open(copy / "store", "fingerprint", "{}");
    ASSERT_TRUE(store.ok());
    const std::string key = (*store)->ProblemsBeginningWith("p3", 1).value()[0];
    std::string bytes((*store)->Tree(key).value()->bytes());
    const auto& record = *flatbuffers::GetRoot<schema::TreeRecord>(bytes.data());
    const auto* last = record.expansions()->Get(record.expansions()->size() - 1);
    const auto* text = last->candidates()->Get(0)->text();
    bytes[static_cast<size_t>(reinterpret_cast<const char*>(text->data()) - bytes.data())] = '~';
    for (const uint8_t step : *last->path()) path += "/" + std::to_string(step);
    (*store)->PutTree(key, store::TreeChunk::Verified(bytes).value());
    ASSERT_TRUE((*store)->Commit().ok());
  }
  const Said json = Saying([&] { return runners::DiffStores({.a = run_, .b = copy, .json = true}); });
  EXPECT_EQ(json.code, 1);
  const auto lines = json.Lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["problem"], "p3");
  EXPECT_EQ(lines[0]["path_a"], path);
  EXPECT_GT(lines[0]["equal_expansions"], 0);
  EXPECT_EQ(lines[0]["words"], nlohmann::json({"candidate 0: text"}));
  EXPECT_THAT(lines[0]["b"][0]["text"].get<std::string>(), StartsWith("~"));
  EXPECT_EQ(lines[1]["same"], 7);
}

TEST_F(StoreCommands, DiffTellsWhatIsInOneAloneOrUnfinished) {
  const fs::path fewer = folder_ / "fewer";
  RunSmallCampaign({.run = fewer, .problems = 6, .first = 1});
  {
    auto store = store::Store::Open(fewer / "store", "fingerprint", "{}");
    ASSERT_TRUE(store.ok());
    // p7 was begun: its root is in the memo.
    auto whole = store::Store::OpenReadOnly(run_ / "store");
    const std::string key = (*whole)->ProblemsBeginningWith("p7", 1).value()[0];
    const auto expansions = (*whole)->Expansions(key).value();
    (*store)->PutExpansion(key, {}, expansions[0]);
    ASSERT_TRUE((*store)->Commit().ok());
  }
  const Said said = Saying([&] { return runners::DiffStores({.a = run_, .b = fewer}); });
  EXPECT_EQ(said.code, 1);
  EXPECT_EQ(said.text,
            "p0: only in A\np7: unfinished in B; what it has is the same\n6 problems the same, 2 different\n");
  const Said listed = Saying([&] { return runners::ListProblems({fewer, true}); });
  EXPECT_EQ(listed.Lines().back()["finished"], false);
  EXPECT_EQ(listed.Lines().back()["problem"], "p7");
  EXPECT_EQ(listed.Lines().back()["expansions"], 1);
}

TEST_F(StoreCommands, DamageIsToldAndTheRestIsListed) {
  const fs::path copy = Copy("damaged");
  ASSERT_EQ(Saying([&] { return runners::CompactStore(copy); }).code, 0);
  for (const auto& entry : fs::directory_iterator(copy / "store")) {
    if (entry.path().extension() != ".sst" || entry.file_size() < 10'000) continue;
    std::string bytes = ReadFile(entry.path()).value();
    bytes[bytes.size() / 3] ^= 1;
    std::ofstream(entry.path(), std::ios::binary) << bytes;
  }
  const Said listed = Saying([&] { return runners::ListProblems({copy, true}); });
  EXPECT_EQ(listed.code, 1);
  EXPECT_GE(listed.Lines().size(), 4U);
  EXPECT_LT(listed.Lines().size(), 8U);
  const Said verified = Saying([&] { return runners::VerifyStore({.run = copy, .json = true}); });
  EXPECT_EQ(verified.code, 1);
  EXPECT_EQ(verified.Lines()[0]["field"], "record");
  EXPECT_THAT(verified.Lines()[0]["now"].get<std::string>(), HasSubstr("damaged"));
  EXPECT_EQ(verified.Lines().back()["trees"].get<size_t>(),
            listed.Lines().size() + verified.Lines().back()["different"].get<size_t>());
}

}  // namespace
}  // namespace orrery
