// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "runners/evaluation/tables.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::ordered_json;

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
  EXPECT_NE(ResultsTable(results, "gsm8k").find("published"), std::string::npos);
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
