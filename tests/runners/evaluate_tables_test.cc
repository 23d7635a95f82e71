// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runners/evaluation/tables.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;
using testing::Not;

Json Results(const std::string& model, const std::string& problems, const Json& measures) {
  return {{"model", model},
          {"ppm", ""},
          {"problems", problems},
          {"costs", {{"greedy", {{"tokens", 1200}, {"steps", 30}, {"seconds", 12.4}}}}},
          {"measures", measures}};
}

Json Measure(const std::string& method, const std::string& measure, double mean) {
  return {{"method", method}, {"measure", measure}, {"mean", mean}, {"low", mean - 0.05}, {"high", mean + 0.05}};
}

TEST(EvaluateTables, OneEvaluationWithItsCostsAndThePublishedFigures) {
  const Json results = Results("base", "gsm8k.jsonl", Json::array({Measure("greedy", "pass@1", 0.245)}));
  EXPECT_EQ(ResultsTable(results, ""),
            "| method | measure | percent | 95% interval |\n|---|---|---|---|\n"
            "| greedy | pass@1 | 24.5 | 19.5 to 29.5 |\n"
            "\n| method | tokens | steps run | seconds |\n|---|---|---|---|\n"
            "| greedy | 1200 | 30 | 12 |\n");
  const std::string beside = ResultsTable(results, "gsm8k");
  EXPECT_THAT(beside, HasSubstr("arXiv 2501.04519"));
  EXPECT_THAT(beside, HasSubstr("| search, policy and PPM of the same round; trajectories | percent |\n|---|---|\n"
                                "| round 1 | 90.9 |\n"));
  EXPECT_THAT(beside, HasSubstr("| rejection sampling (32, ORM) | 89.3 |\n"));
  EXPECT_THAT(beside, Not(HasSubstr("GPT-4o"))) << "no figure of this benchmark";
  EXPECT_THAT(ResultsTable(results, "math500"), HasSubstr("| GPT-4o | 76.6 |\n"));
}

TEST(EvaluateTables, SeveralSideBySide) {
  const std::vector<Json> results = {
      Results("/runs/t1/model", "/data/gsm8k.jsonl",
              Json::array({Measure("greedy", "pass@1", 0.4), Measure("sample", "majority@8", 0.5)})),
      Results("base", "svamp.jsonl", Json::array({Measure("greedy", "pass@1", 0.2)}))};
  EXPECT_EQ(SideBySide(results),
            "| percent (95% interval) | t1 on gsm8k.jsonl | base on svamp.jsonl |\n|---|---|---|\n"
            "| greedy, pass@1 | 40.0 (35.0 to 45.0) | 20.0 (15.0 to 25.0) |\n"
            "| sample, majority@8 | 50.0 (45.0 to 55.0) |  |\n");
}

}  // namespace
}  // namespace orrery::runners
