// SPDX-License-Identifier: Apache-2.0
#include "schema/flags.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "base/paths.h"

namespace orrery::schema {
namespace {

struct Parsed {
  CLI::App app{"a runner"};
  Flags flags;

  explicit Parsed(std::vector<std::string> arguments) {
    flags.AddTo(app, "configs/quickstart.json");
    std::reverse(arguments.begin(), arguments.end());
    app.parse(std::move(arguments));
  }
};

TEST(Flags, WithoutAnyTheQuickStartServes) {
  const auto config = Parsed({}).flags.Load();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ((*config)->run()->out()->str(), "runs/quickstart");
}

TEST(Flags, ShortFormsAndSetReachTheirKeys) {
  const Parsed parsed({"--set", "search.rollouts=3", "--set=model.name=x", "--seed=9", "--limit", "4", "--offset=5",
                       "--threads=2", "--out=o", "--model=m", "--problems=p.jsonl", "--max-tokens=7", "--max-hours=0.5",
                       "--metrics-port=9100", "--verdicts-from=v", "--quiet", "--log-level=debug"});
  const auto config = parsed.flags.Load();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ((*config)->search()->rollouts(), 3);
  EXPECT_EQ((*config)->run()->seed(), 9u);
  EXPECT_EQ((*config)->run()->limit(), 4u);
  EXPECT_EQ((*config)->run()->offset(), 5u);
  EXPECT_EQ((*config)->run()->threads(), 2u);
  EXPECT_EQ((*config)->run()->out()->str(), "o");
  EXPECT_EQ((*config)->model()->name()->str(), "m") << "a short form wins over --set";
  EXPECT_EQ((*config)->problems()->file()->str(), "p.jsonl");
  EXPECT_EQ((*config)->run()->max_tokens(), 7u);
  EXPECT_EQ((*config)->run()->max_hours(), 0.5);
  EXPECT_EQ((*config)->run()->metrics_port(), 9100u);
  EXPECT_EQ((*config)->run()->verdicts_from()->str(), "v");
  EXPECT_TRUE(parsed.flags.quiet);
  EXPECT_EQ(parsed.flags.log_level, "debug");
}

TEST(Flags, ConfigIsTheCallersFileElseTheProgramsOwn) {
  const std::filesystem::path folder = testing::TempDir();
  std::ofstream(folder / "mine.json") << "{\"run\": {\"seed\": 77}}";
  setenv("BUILD_WORKING_DIRECTORY", folder.c_str(), 1);
  auto config = Parsed({"--config=mine.json"}).flags.Load();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ((*config)->run()->seed(), 77u);
  config = Parsed({"--config", "configs/paper-r2.json", "--config", "mine.json"}).flags.Load();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ((*config)->search()->preset()->str(), "paper-r2");
  EXPECT_EQ((*config)->run()->seed(), 77u);
  const auto missing = Parsed({"--config=nowhere.json"}).flags.Load();
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(Message(missing.status()).find((folder / "nowhere.json").string()), std::string::npos);
  unsetenv("BUILD_WORKING_DIRECTORY");
}

TEST(Flags, ErrorsNameTheFlag) {
  EXPECT_EQ(Message(Parsed({"--threads=two"}).flags.Load().status()),
            "--threads: run.threads: expected a whole number from 0 to 1024, found \"two\"");
  EXPECT_EQ(Message(Parsed({"--set", "nonsense"}).flags.Load().status()),
            "--set: expected key=value, found \"nonsense\"");
  EXPECT_THROW(Parsed({"--log-level=loud"}), CLI::ParseError);
  EXPECT_THROW(Parsed({"--no-such-flag"}), CLI::ParseError);
}

TEST(Flags, HelpHoldsFlagsAndKeys) {
  const std::string help = Parsed({}).app.help();
  for (const char* part :
       {"--config", "--set", "--metrics-port", "search.rollouts [budget]", "configs/quickstart.json"}) {
    EXPECT_NE(help.find(part), std::string::npos) << part << "\n" << help;
  }
}

}  // namespace
}  // namespace orrery::schema
