// SPDX-License-Identifier: Apache-2.0
#include "schema/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "base/paths.h"
#include "schema/config_keys.h"

namespace orrery::schema {
namespace {

ResolvedConfig Good(std::string_view text, const std::vector<KeyValue>& settings = {}) {
  auto config = ParseConfig(text, "f", settings);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *std::move(config) : ResolvedConfig();
}

std::string Error(std::string_view text, const std::vector<KeyValue>& settings = {}) {
  const auto config = ParseConfig(text, "f", settings);
  EXPECT_FALSE(config.ok()) << text;
  if (config.ok()) return "";
  EXPECT_EQ(ExitCode(config.status()), 2);
  return Message(config.status());
}

std::string SetError(std::string key, std::string value) { return Error("{}", {{std::move(key), std::move(value)}}); }

std::string Fingerprint(std::string_view text) { return Good(text).fingerprint(); }

TEST(Config, DefaultsComeFromTheSchema) {
  const ResolvedConfig config = Good("{}");
  EXPECT_EQ(config->run()->seed(), 1u);
  EXPECT_EQ(config->model()->name()->str(), "qwen2.5-coder-0.5b-instruct");
  EXPECT_EQ(config->model()->precision(), WeightPrecision::bfloat16);
  EXPECT_EQ(config->sandbox()->isolation(), IsolationKind::bubblewrap);
  EXPECT_EQ(config->sandbox()->wall_seconds(), 5);
  EXPECT_EQ(config->problems()->bad_line(), BadLinePolicy::skip);
  EXPECT_EQ(config->search()->preset()->str(), "paper-r1");
  EXPECT_FALSE(config->search()->rollouts().has_value());
  EXPECT_NE(config->grader(), nullptr);
  for (const ConfigSection& section : Keys().sections) {
    for (const ConfigKey& key : section.keys) EXPECT_FALSE(config.IsSet(key.name)) << key.name;
  }
}

TEST(Config, ValuesReachTheBuffer) {
  const ResolvedConfig config = Good(R"({
    "run": {"seed": 18446744073709551615, "max_hours": 1e-05, "out": "a \"quoted\" \\ folder/é"},
    "search": {"rollouts": 16, "temperature": 0, "top_p": 0.95, "unvisited": "zero", "dead_end": "itself", "prompt": "fine_tuned"},
    "model": {"precision": "float32"}, "problems": {"bad_line": "fatal"}, "sandbox": {"isolation": "none"}
  })");
  EXPECT_EQ(config->run()->seed(), UINT64_MAX);
  EXPECT_EQ(config->run()->max_hours(), 1e-5);
  EXPECT_EQ(config->run()->out()->str(), "a \"quoted\" \\ folder/é");
  EXPECT_EQ(config->search()->rollouts(), 16);
  EXPECT_EQ(config->search()->temperature(), 0.0);
  EXPECT_EQ(config->search()->top_p(), 0.95);
  EXPECT_EQ(config->search()->unvisited(), UnvisitedScore::zero);
  EXPECT_EQ(config->search()->dead_end(), DeadEndPolicy::itself);
  EXPECT_EQ(config->search()->prompt(), PromptStyle::fine_tuned);
  EXPECT_EQ(config->model()->precision(), WeightPrecision::float32);
  EXPECT_EQ(config->problems()->bad_line(), BadLinePolicy::fatal);
  EXPECT_EQ(config->sandbox()->isolation(), IsolationKind::none);
  EXPECT_TRUE(config.IsSet("search.temperature"));
  EXPECT_FALSE(config.IsSet("search.top_k"));
}

TEST(Config, NamesFileLineKeyAndWhatWasExpected) {
  const auto with = [](std::string_view leaf) {
    return Error(fmt::format("{{\n  \"search\": {{\n    {}\n  }}\n}}", leaf));
  };
  EXPECT_EQ(with("\"rollouts\": \"16\""),
            "f:3: search.rollouts: expected a whole number from 1 to 1000000, found \"16\"");
  EXPECT_EQ(with("\"rollouts\": 0"), "f:3: search.rollouts: expected a whole number from 1 to 1000000, found 0");
  EXPECT_EQ(with("\"rollouts\": 1.5"), "f:3: search.rollouts: expected a whole number from 1 to 1000000, found 1.5");
  EXPECT_EQ(with("\"rollouts\": 99999999999999999999999"),
            "f:3: search.rollouts: expected a whole number from 1 to 1000000, found 99999999999999999999999");
  EXPECT_EQ(with("\"rollouts\": null"), "f:3: search.rollouts: expected a whole number from 1 to 1000000, found null");
  EXPECT_EQ(with("\"rollouts\": true"), "f:3: search.rollouts: expected a whole number from 1 to 1000000, found true");
  EXPECT_EQ(with("\"rollouts\": [8]"), "f:3: search.rollouts: expected a whole number from 1 to 1000000, found a list");
  EXPECT_EQ(with("\"rollouts\": {}"),
            "f:3: search.rollouts: expected a whole number from 1 to 1000000, found an object");
  EXPECT_EQ(with("\"temperature\": 11"), "f:3: search.temperature: expected a number from 0 to 10, found 11");
  EXPECT_EQ(with("\"temperature\": 1e999"), "f:3: search.temperature: expected a number from 0 to 10, found 1e999");
  EXPECT_EQ(with("\"top_p\": 0"), "f:3: search.top_p: expected a number above 0 and up to 1, found 0");
  EXPECT_EQ(with("\"preset\": \"paper-r9\""),
            "f:3: search.preset: expected one of \"paper-r1\", \"paper-r2\", \"paper-r3\", \"paper-r4\", "
            "\"released-sample\", \"test\", found \"paper-r9\"");
  EXPECT_EQ(with("\"unvisited\": \"Zero\""),
            "f:3: search.unvisited: expected one of \"infinite\", \"zero\", found \"Zero\"");
  EXPECT_EQ(with("\"unvisited\": 1"), "f:3: search.unvisited: expected one of \"infinite\", \"zero\", found 1");
  EXPECT_EQ(Error("{\"model\": {\"name\": 7}}"), "f:1: model.name: expected text in quotes, found 7");
  EXPECT_EQ(Error("\n[]"), "f:2: expected an object in braces, found a list");
  EXPECT_EQ(Error("{\"search\":\n7}"), "f:2: search: expected an object in braces, found 7");
  EXPECT_EQ(Error("{\"search\": null}"), "f:1: search: expected an object in braces, found null");
  EXPECT_EQ(Error("{}\n}"), "f:2: expected the end of the text, found '}'");
}

TEST(Config, GuessesWhatAWrongKeyMeant) {
  EXPECT_EQ(Error("{\"serch\": {}}"),
            "f:1: expected a key of the configuration, found \"serch\"; did you mean \"search\"?");
  EXPECT_EQ(Error("{\"search\": {\"rolouts\": 8}}"),
            "f:1: expected a key of the configuration, found \"search.rolouts\"; did you mean \"search.rollouts\"?");
  EXPECT_EQ(Error("{\"rollouts\": 8}"),
            "f:1: expected a key of the configuration, found \"rollouts\"; did you mean \"search.rollouts\"?");
  EXPECT_EQ(SetError("model.kv_byte", "1"),
            "--set: expected a key of the configuration, found \"model.kv_byte\"; did you mean \"model.kv_bytes\"?");
  EXPECT_EQ(Error("{\"zzzzzzzzzzzz\": 8}"),
            "f:1: expected a key of the configuration (--help lists them), found \"zzzzzzzzzzzz\"");
  Error("{\"" + std::string(100000, 'x') + "\": 8}");
}

TEST(Config, RefusesAKeyGivenTwiceInAFile) {
  EXPECT_EQ(Error("{\"run\": {\"seed\": 1,\n\"seed\": 2}}"),
            "f:2: expected each key once, found \"run.seed\" again (first in line 1)");
  EXPECT_EQ(Error("{\"run\": {},\n\"run\": {}}"), "f:2: expected each key once, found \"run\" again (first in line 1)");
}

TEST(Config, SettingsAreCheckedLikeFilesAndTheLastWins) {
  const ResolvedConfig config = Good("{\"search\": {\"rollouts\": 8}}",
                                     {{"search.rollouts", "16"}, {"search.rollouts", "17"}, {"model.name", "a=b c"}});
  EXPECT_EQ(config->search()->rollouts(), 17);
  EXPECT_EQ(config->model()->name()->str(), "a=b c");
  EXPECT_EQ(Good("{}", {{"model.name", "7"}})->model()->name()->str(), "7");
  EXPECT_EQ(SetError("search.rollouts", "many"),
            "--set: search.rollouts: expected a whole number from 1 to 1000000, found \"many\"");
  EXPECT_EQ(SetError("search.rollouts", "\"16\""),
            "--set: search.rollouts: expected a whole number from 1 to 1000000, found \"16\"");
  EXPECT_EQ(SetError("search.rollouts", ""),
            "--set: search.rollouts: expected a whole number from 1 to 1000000, found \"\"");
  EXPECT_EQ(SetError("search.rollouts", "16 17"),
            "--set: search.rollouts: expected a whole number from 1 to 1000000, found \"16 17\"");
  EXPECT_EQ(SetError("search.unvisited", "\"zero\""),
            "--set: search.unvisited: expected one of \"infinite\", \"zero\", found \"\\\"zero\\\"\"");
  EXPECT_EQ(SetError("search", "{}"), "--set: expected a key such as \"search.preset\", found the section \"search\"");
  EXPECT_EQ(SetError("model.name", "\xff"), "--set: expected UTF-8 without NUL characters");
  EXPECT_EQ(SetError("model.name", std::string("a\0b", 3)), "--set: expected UTF-8 without NUL characters");
  EXPECT_EQ(Error("{}", {{"run.limit", "-1", "--limit"}}),
            "--limit: run.limit: expected a whole number from 0 to 18446744073709551615, found -1");
  EXPECT_EQ(Message(ParseKeyValue("search.rollouts").status()), "--set: expected key=value, found \"search.rollouts\"");
  EXPECT_EQ(Message(ParseKeyValue("=1").status()), "--set: expected key=value, found \"=1\"");
  EXPECT_EQ(ParseKeyValue("model.name=a=b")->value, "a=b");
}

TEST(Config, FingerprintFollowsResultKeysAlone) {
  const std::string plain = Fingerprint("{}");
  EXPECT_EQ(plain.size(), 64u);
  EXPECT_EQ(
      plain,
      Fingerprint(R"({"run": {"threads": 3, "limit": 7, "out": "x", "max_hours": 2}, "problems": {"file": "y"}})"));
  EXPECT_EQ(
      plain,
      Fingerprint(
          R"({"search": {"rollouts": 99, "extra_rollouts_when_unsolved": 3}, "sandbox": {"isolation": "none"}})"));
  EXPECT_EQ(plain, Fingerprint(R"({"run": {"seed": 1}, "sandbox": {"wall_seconds": 5.0}})"))
      << "a default that is written out";
  EXPECT_NE(plain, Fingerprint(R"({"run": {"seed": 2}})"));
  EXPECT_NE(plain, Fingerprint(R"({"search": {"candidates": 4}})"));
  EXPECT_EQ(Fingerprint(R"({"search": {"temperature": 0.70}})"), Fingerprint(R"({"search": {"temperature": 7e-1}})"));
}

TEST(Config, FingerprintDoesNotChangeUnnoticed) {
  // Stores are kept under it. A change here means that every store made before is refused: say so in the changelog.
  EXPECT_EQ(Fingerprint("{}"), "65f2a23d198dc8c5f984d5772787b902fa07157f922eac3db3d7eea68ca15c02");
}

TEST(Config, ResolvedFormReadsBackToTheSame) {
  const ResolvedConfig config = Good(R"({"search": {"temperature": 0.1, "rollouts": 3}, "run": {"out": "é\n\u0001"}})");
  for (const std::string& text : {config.json(), config.Record()}) {
    const ResolvedConfig again = Good(text);
    EXPECT_EQ(again.json(), config.json());
    EXPECT_EQ(again.fingerprint(), config.fingerprint());
  }
  EXPECT_NE(config.Record().find(config.fingerprint()), std::string::npos);
  EXPECT_NE(Error("{\"fingerprint\": \"short\"}").find("expected a key"), std::string::npos);
}

TEST(Config, DefaultsOfThePresetFillOnlyWhatNobodySet) {
  const ResolvedConfig config = Good("{\"search\": {\"candidates\": 3}}");
  const std::vector<KeyValue> preset = {
      {"search.rollouts", "8", "preset"}, {"search.candidates", "5", "preset"}, {"search.unvisited", "zero", "preset"}};
  const auto full = config.WithDefaults(preset);
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_EQ((*full)->search()->rollouts(), 8);
  EXPECT_EQ((*full)->search()->candidates(), 3);
  EXPECT_EQ((*full)->search()->unvisited(), UnvisitedScore::zero);
  EXPECT_TRUE(full->IsSet("search.candidates"));
  EXPECT_FALSE(full->IsSet("search.rollouts"));
  EXPECT_FALSE(full->IsSet("search.unvisited"));
  EXPECT_NE(full->fingerprint(), config.fingerprint());
  EXPECT_EQ((*full->WithDefaults({{"search.rollouts", "9"}}))->search()->rollouts(), 8);
  EXPECT_EQ(Message(config.WithDefaults({{"search.rollouts", "0", "preset"}}).status()),
            "preset: search.rollouts: expected a whole number from 1 to 1000000, found 0");
}

TEST(Config, FilesAreReadInTheirOrder) {
  const std::filesystem::path folder = testing::TempDir();
  std::ofstream(folder / "a.json") << "{\"run\": {\"seed\": 1, \"limit\": 5}}";
  std::ofstream(folder / "b.json") << "{\"run\": {\"seed\": 2}}";
  const auto config = LoadConfig({{folder / "a.json", folder / "b.json"}, {}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ((*config)->run()->seed(), 2u);
  EXPECT_EQ((*config)->run()->limit(), 5u);
}

TEST(Config, MissingFileAndFolderAreErrorsOfTheCaller) {
  const auto missing = LoadConfig({{"/nonexistent/x.json"}, {}});
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(Message(missing.status()).find("/nonexistent/x.json: "), std::string::npos);
  EXPECT_EQ(ExitCode(missing.status()), 2);
  EXPECT_EQ(ExitCode(LoadConfig({{testing::TempDir()}, {}}).status()), 2);
}

TEST(Config, PresetFilesAreGood) {
  std::set<std::string> presets;
  for (const char* name : {"quickstart", "paper-r1", "paper-r2", "released-sample", "gsm8k"}) {
    const auto path = DataFile(fmt::format("configs/{}.json", name));
    ASSERT_TRUE(path.ok()) << path.status();
    const auto config = LoadConfig({{*path}, {}});
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ((*config)->run()->out()->str(), fmt::format("runs/{}", name));
    presets.insert((*config)->search()->preset()->str());
  }
  EXPECT_EQ(presets.size(), 3u);
}

TEST(Config, HelpHoldsEveryKeyAndKeepsItsWidth) {
  for (size_t width : {60, 100}) {
    const std::string help = ConfigHelp(width);
    for (const ConfigSection& section : Keys().sections) {
      for (const ConfigKey& key : section.keys) {
        EXPECT_NE(help.find(key.name + " [" + std::string(Name(key.mark)) + "]"), std::string::npos) << key.name;
      }
    }
    std::istringstream lines(help);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), width) << line;
  }
  EXPECT_NE(ConfigHelp(100).find("search.rollouts [budget] a whole number from 1 to 1000000; default: the preset's"),
            std::string::npos);
}

}  // namespace
}  // namespace orrery::schema
