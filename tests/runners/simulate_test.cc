// SPDX-License-Identifier: Apache-2.0

// The programs that plan and that measure at scale, as a user runs them: on a profile, on the folder of a run, and with
// sizes of one's own.

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "actors/context.h"
#include "base/paths.h"
#include "bench/scale_run.h"
#include "store/summary.h"
#include "tests/fresh.h"
#include "tests/runners/program.h"
#include "tests/simulation/made_profile.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::vector<Json> Lines(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  return lines;
}

// The folder of a run as a campaign leaves it; its policy is simulated.
fs::path MakeRun() {
  const fs::path run = FreshFolder("simulated_run");
  bench::ScaleSetting setting;
  setting.profile = std::make_shared<const simulation::Profile>(MadeProfile());
  setting.rules = setting.profile->rules;
  setting.problems = 120;
  setting.live_trees = 16;
  setting.folder = run;
  setting.pace.requests_a_batch = 50;
  setting.pace.batch = std::chrono::milliseconds(2);
  const auto figures = bench::RunScale(setting);
  EXPECT_TRUE(figures.ok()) << figures.status();
  std::vector<store::ProblemName> names;
  for (size_t i = 0; i < setting.problems; ++i) {
    const auto problem = bench::ProblemOf(i);
    names.push_back({problem.id, actors::ProblemKey(problem)});
  }
  const auto store = store::Store::OpenReadOnly(run / "store");
  auto summary = store::Summarise(**store, names, "simulated");
  EXPECT_TRUE(summary.ok()) << summary.status();
  summary->model = "made";
  summary->measured.seconds = figures->seconds;
  EXPECT_TRUE(store::WriteSummary(*summary, run / "summary.json").ok());
  const Json config = {{"run", {{"live_trees", 16}}},
                       {"search", {{"rollouts", 8}, {"candidates", 5}, {"max_depth", 8}, {"wave", 1}}}};
  EXPECT_TRUE(WriteFileAtomically(run / "config.json", config.dump()).ok());
  return run;
}

TEST(SimulateProgram, FitsARunAndPlansWithIt) {
  const fs::path run = MakeRun();
  const Ended fitted = RunProgram("runners/simulate", {"--fit=" + run.string()});
  ASSERT_EQ(fitted.code, 0) << fitted.errors;
  const auto profile = simulation::ParseProfile(fitted.output, "printed");
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(profile->recorded.problems, 120U);
  EXPECT_EQ(profile->recorded.live_trees, 16U);
  EXPECT_EQ(profile->rules.rollouts, 8);
  // Each batch waited for two milliseconds at least, and for longer where the machine had other work.
  const Json last = LastTelemetry(run).value();
  const auto of = [&](const char* key) { return last.at(key).get<double>(); };
  const double batches = of("orrery_batches_total"), seconds = of("orrery_model_busy_seconds_total") / batches;
  EXPECT_GE(seconds, 0.002);
  EXPECT_NEAR(profile->device.Seconds(of("orrery_batch_rows_total") / batches), seconds, 0.02 * seconds);

  const std::string file = (run / "profile.json").string();
  ASSERT_EQ(RunProgram("runners/simulate", {"--fit=" + run.string(), "--out=" + file}).code, 0);
  EXPECT_EQ(*ReadFile(file), fitted.output);
  const Ended planned = RunProgram("runners/simulate", {"--profile=" + file, "--problems=1000", "--price=2", "--json"});
  ASSERT_EQ(planned.code, 0) << planned.errors;
  const Json plan = Json::parse(planned.output);
  EXPECT_EQ(plan["problems"], 1000);
  EXPECT_GT(plan["hours"], 0);
  EXPECT_EQ(plan["cost"], plan["hours"].get<double>() * 2);
  EXPECT_FALSE(plan["limit"].get<std::string>().empty());

  std::map<std::string, double> ratios;
  for (const Json& line : Lines(RunProgram("runners/simulate", {"--check=" + run.string(), "--json"}).output)) {
    if (line["fitted_to"] == "all") ratios[line["figure"]] = line["ratio"];
  }
  for (const char* figure : {"tokens", "expansions", "rollouts", "samples"})
    EXPECT_NEAR(ratios[figure], 1, 0.15) << figure;
  fs::remove_all(run);
}

TEST(SimulateProgram, TellsWhatIsWrong) {
  const Ended nothing = RunProgram("runners/simulate", {});
  EXPECT_EQ(nothing.code, 2);
  EXPECT_NE(nothing.errors.find("expected --fit=RUN or --profile=FILE"), std::string::npos) << nothing.errors;
  const Ended absent = RunProgram("runners/simulate", {"--fit=/nowhere"});
  EXPECT_EQ(absent.code, 2);
  EXPECT_NE(absent.errors.find("/nowhere"), std::string::npos) << absent.errors;
  EXPECT_EQ(RunProgram("runners/simulate", {"--rollouts=none"}).code, 2);
}

TEST(ScaleProgram, PrintsItsFigures) {
  const fs::path folder = FreshFolder("scale_program");
  const Ended ended = RunProgram("bench/scale", {"--in-flight=800", "--problems=60", "--against=30", "--live-trees=20",
                                                 "--rollouts=4", "--json", "--folder=" + folder.string()});
  ASSERT_EQ(ended.code, 0) << ended.errors;
  std::map<std::string, double> figures;
  for (const Json& line : Lines(ended.output))
    figures[line["case"].get<std::string>() + " " + line["metric"].get<std::string>()] = line["value"];
  for (const char* name :
       {"in-flight-800 peak_gib", "in-flight-800 messages_per_second", "simulate-60 minutes", "simulate-60 peak_gib",
        "simulate-60 cost_per_problem_against_30", "simulate-60 store_gib", "actors bytes_per_node"})
    EXPECT_GT(figures[name], 0) << name;
  EXPECT_GT(figures["in-flight-800 messages_per_rollout"], 10);
  EXPECT_LE(figures["simulate-60 rollouts"], 240);
  EXPECT_TRUE(fs::is_empty(folder)) << "the stores are removed again";
  fs::remove_all(folder);
}

}  // namespace
}  // namespace orrery
