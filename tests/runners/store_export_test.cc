// SPDX-License-Identifier: Apache-2.0
// store export on the store of a real small campaign: JSON lines, Parquet, records, the data card; the examples in
// Python read them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "base/digest.h"
#include "base/paths.h"
#include "runners/store_commands/compact.h"
#include "runners/store_commands/export.h"
#include "runners/store_commands/list.h"
#include "runners/store_commands/row_sink.h"
#include "tests/runners/program.h"
#include "tests/runners/small_campaign.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;
using runners::ExportCommand;
using testing::HasSubstr;
using testing::Not;

std::vector<nlohmann::json> LinesOf(const fs::path& file) { return Said{0, ReadFile(file).value()}.Lines(); }

Ended Python(const std::vector<std::string>& arguments) {
  return RunProgram((PythonEnvironment() / "bin" / "python3").string(), arguments, {"PYTHONDONTWRITEBYTECODE=1"});
}

std::string Example(const char* name) {
  return fs::absolute(DataFile(std::string("docs/examples/") + name).value()).string();
}

class StoreExport : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::path(testing::TempDir()) / ("exported" + std::to_string(getpid()));
    run_ = folder_ / "run";
    RunSmallCampaign({.run = run_});
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  static Said Export(ExportCommand command) {
    if (command.run.empty()) command.run = run_;
    return Saying([&] { return runners::ExportStore(command); });
  }

  static fs::path folder_, run_;
};
fs::path StoreExport::folder_, StoreExport::run_;

TEST_F(StoreExport, RowsOfEveryFormatWithTheirCard) {
  const std::map<std::string, std::set<std::string>> fields = {{"sft", {"prompt", "completion", "mean_q"}},
                                                               {"preferences", {"prompt", "chosen", "rejected"}},
                                                               {"kto", {"prompt", "completion", "label"}},
                                                               {"stepwise", {"prompt", "completions", "labels"}}};
  for (const auto& [format, names] : fields) {
    const Said said = Export({.format = format});
    ASSERT_EQ(said.code, 0) << said.text;
    const fs::path file = run_ / "export" / format / "train.jsonl";
    const auto rows = LinesOf(file);
    EXPECT_FALSE(rows.empty()) << format;
    EXPECT_EQ(said.text, fmt::format("{}: {} rows from 8 problems\n", file.string(), rows.size()));
    for (const auto& row : rows) {
      for (const std::string& name : names) EXPECT_TRUE(row.contains(name)) << format << " " << name;
      EXPECT_EQ(row["fingerprint"], "fingerprint");
      const int number = std::stoi(row["problem"].get<std::string>().substr(1));
      EXPECT_EQ(row["source"], number % 2 == 0 ? "even" : "odd");
      EXPECT_EQ(row["licence"], number % 4 == 0 ? "CC0-1.0" : "");
      EXPECT_THAT(row["prompt"].get<std::string>(), HasSubstr("<|user|>:\nWhat?\n<|assistant|>:"));
    }
    const std::string card = ReadFile(run_ / "export" / format / "README.md").value();
    EXPECT_THAT(card, HasSubstr("data_files: train.jsonl"));
    EXPECT_THAT(card, HasSubstr(fmt::format("{} rows from 8 problems", rows.size())));
    EXPECT_THAT(card, HasSubstr(Sha256HexOfFile(file).value()));
    EXPECT_THAT(card, HasSubstr("| even | CC0-1.0 | 2 | "));
    EXPECT_THAT(card, HasSubstr("| even | not given | 2 | "));
    EXPECT_THAT(card, HasSubstr("| odd | not given | 4 | "));
    EXPECT_THAT(card, HasSubstr("| `search.rollouts` | 6 |"));
    EXPECT_THAT(card, Not(HasSubstr(folder_.string()))) << "no folder of this machine";
    for (const auto& [name, value] : rows[0].items()) EXPECT_THAT(card, HasSubstr("| `" + name + "` | "));
  }
}

TEST_F(StoreExport, TheSameBytesAgain) {
  for (const char* format : {"kto", "records"}) {
    const fs::path once = folder_ / "once", twice = folder_ / "twice";
    ASSERT_EQ(Export({.format = format, .out = once}).code, 0);
    ASSERT_EQ(Export({.format = format, .out = twice}).code, 0);
    for (const auto& entry : fs::directory_iterator(once)) {
      EXPECT_EQ(ReadFile(entry.path()).value(), ReadFile(twice / entry.path().filename()).value()) << entry.path();
      EXPECT_NE(entry.path().extension(), ".partial");
    }
  }
}

TEST_F(StoreExport, SoManyOfEachProblem) {
  const auto count = [](const std::string& format, int per_problem, bool messages = false) {
    const fs::path out = folder_ / "counted";
    EXPECT_EQ(Export({.format = format, .messages = messages, .per_problem = per_problem, .out = out}).code, 0);
    std::map<std::string, int> counts;
    for (const auto& row : LinesOf(out / "train.jsonl")) ++counts[row["problem"].get<std::string>()];
    int most = 0, all = 0;
    for (const auto& [problem, rows] : counts) {
      most = std::max(most, rows);
      all += rows;
    }
    return std::pair(most, all);
  };
  EXPECT_EQ(count("sft", 1).first, 1);
  EXPECT_EQ(count("sft", -1), count("sft", 2));
  EXPECT_GT(count("sft", 0).second, count("sft", 1).second);
  EXPECT_LE(count("kto", 1).first, 2);
  EXPECT_EQ(count("sft", 2, true), count("sft", 2));
}

// Parquet holds what JSON lines hold: pyarrow reads both and compares.
TEST_F(StoreExport, ParquetHoldsTheSameRows) {
  constexpr const char* kCompare = R"(
import json, sys
import pyarrow.parquet
table = pyarrow.parquet.read_table(sys.argv[1])
lines = [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]
assert table.to_pylist() == lines, "the rows differ"
assert table.column_names == list(lines[0]), table.column_names
print(table.num_rows, *(str(field.type).replace(" ", "") for field in table.schema))
)";
  for (const auto& [format, messages, types] : {std::tuple{"stepwise", false, "list<element:bool>"},
                                                {"sft", true, "list<element:struct<role:string,content:string>>"},
                                                {"preferences", false, "double"}}) {
    const fs::path out = folder_ / "parquet";
    ASSERT_EQ(Export({.format = format, .messages = messages, .out = out}).code, 0);
    const Said said = Export({.format = format, .parquet = true, .messages = messages, .out = out});
    ASSERT_EQ(said.code, 0) << said.text;
    const Ended compared = Python({"-c", kCompare, (out / "train.parquet").string(), (out / "train.jsonl").string()});
    EXPECT_EQ(compared.code, 0) << compared.errors;
    EXPECT_THAT(compared.output, HasSubstr(types));
    EXPECT_THAT(ReadFile(out / "README.md").value(), HasSubstr("data_files: train.parquet"));
    EXPECT_FALSE(fs::exists(out / "train.parquet.partial"));
  }
}

TEST_F(StoreExport, AParquetFileThatIsNotFinishedIsNotThere) {
  const fs::path file = folder_ / "half.parquet";
  const std::vector<store::Column> columns = {{"number", "int64", ""}};
  {
    auto sink = runners::RowSink::Parquet(file, columns);
    ASSERT_TRUE(sink.ok()) << sink.status();
    for (int i = 0; i < 5000; ++i) ASSERT_TRUE((*sink)->Write(R"({"number": 7})").ok());
  }  // no Commit
  EXPECT_FALSE(fs::exists(file));
  EXPECT_FALSE(fs::exists(file.string() + ".partial"));
  auto wrong = runners::RowSink::Parquet(file, columns);
  ASSERT_TRUE(wrong.ok());
  ASSERT_TRUE((*wrong)->Write(R"({"number": "seven"})").ok());
  EXPECT_THAT(Message((*wrong)->Commit()), HasSubstr("half.parquet: not written by pyarrow: "));
  EXPECT_FALSE(fs::exists(file));
  auto nowhere = runners::RowSink::Parquet(folder_ / "no" / "such" / "x.parquet", columns);
  ASSERT_TRUE(nowhere.ok());
  EXPECT_THAT(Message((*nowhere)->Commit()), HasSubstr("FileNotFoundError"));
}

TEST_F(StoreExport, TheExamplesReadWhatWasExported) {
  ASSERT_EQ(Export({.format = "records"}).code, 0);
  const Ended records = Python({Example("read_records.py"), (run_ / "export" / "records").string()});
  EXPECT_EQ(records.code, 0) << records.errors;
  const auto stats = nlohmann::json::parse(Saying([] { return runners::CountStore({run_, true}); }).text)["all"];
  EXPECT_THAT(records.output,
              HasSubstr(fmt::format("{} trees, {} solved, {} nodes, {} rollouts, {} tokens\n",
                                    stats["problems"].get<int>(), stats["solved"].get<int>(), stats["nodes"].get<int>(),
                                    stats["rollouts"].get<int>(), stats["tokens_generated"].get<int>())));

  for (const bool parquet : {false, true}) {
    const fs::path out = folder_ / "read";
    ASSERT_EQ(Export({.format = "stepwise", .parquet = parquet, .out = out}).code, 0);
    const auto rows = LinesOf(out / "train.jsonl");
    size_t steps = 0, right = 0;
    for (const auto& row : rows) {
      steps += row["labels"].size();
      for (const auto& label : row["labels"]) right += label.get<bool>() ? 1 : 0;
    }
    const Ended read =
        Python({Example("read_export.py"), (out / (parquet ? "train.parquet" : "train.jsonl")).string()});
    EXPECT_EQ(read.code, 0) << read.errors;
    EXPECT_THAT(read.output, testing::StartsWith(std::to_string(rows.size()) + " rows of "));
    EXPECT_THAT(read.output,
                HasSubstr(fmt::format("{} steps, {} of them on the way to a right answer\n", steps, right)));
  }
}

TEST_F(StoreExport, DamageIsNamedAndTheRestExported) {
  const fs::path copy = folder_ / "damaged";
  fs::copy(run_, copy, fs::copy_options::recursive);
  ASSERT_EQ(Saying([&] { return runners::CompactStore(copy); }).code, 0);
  for (const auto& entry : fs::directory_iterator(copy / "store")) {
    if (entry.path().extension() != ".sst" || entry.file_size() < 10'000) continue;
    std::string bytes = ReadFile(entry.path()).value();
    bytes[bytes.size() / 3] ^= 1;
    std::ofstream(entry.path(), std::ios::binary) << bytes;
  }
  testing::internal::CaptureStderr();
  const Said said = Export({.run = copy, .format = "records"});
  const std::string errors = testing::internal::GetCapturedStderr();
  EXPECT_EQ(said.code, 1);
  EXPECT_THAT(errors, HasSubstr("damaged"));
  EXPECT_THAT(said.text, HasSubstr("records.bin: "));
  EXPECT_THAT(ReadFile(copy / "export" / "records" / "README.md").value(),
              HasSubstr("damaged records could not be read"));
  EXPECT_EQ(Python({Example("read_records.py"), (copy / "export" / "records").string()}).code, 0);
}

TEST_F(StoreExport, FlagsThatDoNotGoTogether) {
  EXPECT_THAT(Export({.format = "tfrecord"}).text, HasSubstr("expected sft, preferences, kto, stepwise or records"));
  EXPECT_THAT(Export({.format = "kto", .messages = true}).text, HasSubstr("only with --format=sft"));
  EXPECT_THAT(Export({.format = "preferences", .per_problem = 1}).text, HasSubstr("--per-problem"));
  EXPECT_THAT(Export({.format = "records", .parquet = true}).text, HasSubstr("--parquet"));
  EXPECT_THAT(Export({.out = "/proc/nowhere"}).text, HasSubstr("/proc/nowhere"));
}

}  // namespace
}  // namespace orrery
