// SPDX-License-Identifier: Apache-2.0
#include "bench/figure.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace orrery::bench {
namespace {

TEST(Figure, IsOneJsonObjectWithTheNamesScriptsRelyOn) {
  const auto json = nlohmann::json::parse(AsJson({"flat-8", "new_tokens", 120.5, "tokens/s", "a \"model\"\n", {}}));
  EXPECT_EQ(json, (nlohmann::json{{"case", "flat-8"},
                                  {"metric", "new_tokens"},
                                  {"value", 120.5},
                                  {"unit", "tokens/s"},
                                  {"conditions", "a \"model\"\n"}}));
}

TEST(Figure, BesideAPeerTheRatioIsAboveOneWhereOursIsBetter) {
  const Figure figure{"tree", "new_tokens", 300, "tokens/s", "", PeerFigure{"llama.cpp", 40}};
  const std::string line = AsJson(figure);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["peer"], "llama.cpp");
  EXPECT_EQ(json["peer_value"], 40);
  EXPECT_DOUBLE_EQ(json["ratio"].get<double>(), 7.5);
  EXPECT_NE(AsText(figure).find("ratio 7.50"), std::string::npos);
}

}  // namespace
}  // namespace orrery::bench
