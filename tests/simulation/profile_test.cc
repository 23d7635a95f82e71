// SPDX-License-Identifier: Apache-2.0

// A profile is kept as JSON and read again; what is wrong with a file is told by its field.

#include "simulation/profile.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/simulation/made_profile.h"

namespace orrery::simulation {
namespace {

using Json = nlohmann::json;

TEST(Profile, IsReadAsItWasWritten) {
  Profile profile = MadeProfile();
  profile.success_by_level["level / 5"] = Evenly(0, 0.1);
  profile.rules.dead_end = search::DeadEndBackup::kItself;
  profile.rules.extra_rollouts_when_unsolved = 3;
  const std::string text = ToJson(profile);
  const auto read = ParseProfile(text, "profile.json");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ToJson(*read), text);
  ASSERT_EQ(read->success_by_level.at("level / 5").at.size(), 11U);
  EXPECT_DOUBLE_EQ(read->success_by_level.at("level / 5").at[3], 0.03);
  EXPECT_EQ(read->rules.dead_end, search::DeadEndBackup::kItself);
  EXPECT_EQ(read->rules.extra_rollouts_when_unsolved, 3);
}

TEST(Profile, ComplaintsNameTheFileAndTheField) {
  const Json good = Json::parse(ToJson(MadeProfile()));
  const auto complaint = [](const Json& json) { return Message(ParseProfile(json.dump(), "f.json").status()); };
  EXPECT_EQ(complaint(good), "");

  Json bad = good;
  bad["device"].erase("seconds_per_row");
  EXPECT_EQ(complaint(bad), "f.json: /device/seconds_per_row: expected a value, found none");
  bad = good;
  bad["shapes"][1]["by_depth"][0]["step"] = "often";
  EXPECT_EQ(complaint(bad), "f.json: /shapes/1/by_depth/0/step: expected a number from 0 to 1, found \"often\"");
  bad = good;
  bad["shapes"][1]["by_depth"][0]["step"] = 0.5;
  EXPECT_EQ(complaint(bad), "f.json: /shapes/1/by_depth/0: expected shares that add up to 1, found 0.7");
  bad = good;
  bad["success"][3] = 0.99;
  EXPECT_EQ(complaint(bad), "f.json: /success: expected values in ascending order, found others");
  bad = good;
  bad["rules"]["dead_end"] = "nowhere";
  EXPECT_EQ(complaint(bad), "f.json: /rules/dead_end: expected path or itself, found nowhere");
  bad = good;
  bad["shapes"] = Json::array();
  EXPECT_NE(complaint(bad).find("/shapes: expected a list of at least 1"), std::string::npos);
  EXPECT_EQ(complaint(Json::array()), "f.json: expected a profile as one JSON object");
  EXPECT_EQ(Message(ParseProfile("{", "f.json").status()), "f.json: expected a profile as one JSON object");
}

TEST(Quantiles, DrawTheValuesThatTheyWereMadeOf) {
  std::vector<double> values;
  for (int i = 100; i >= 0; --i) values.push_back(i * i);
  const Quantiles quantiles = QuantilesOf(values, 11);
  EXPECT_EQ(quantiles.at.size(), 11U);
  EXPECT_EQ(quantiles.Draw(0), 0);
  EXPECT_EQ(quantiles.Draw(0.5), 2500);
  EXPECT_NEAR(quantiles.Draw(0.25), 650, 1);  // half way between 400 and 900
  EXPECT_NEAR(quantiles.Mean(), 3350, 1e-9);
  EXPECT_EQ(Quantiles{}.Draw(0.3), 0);
  EXPECT_EQ(QuantilesOf({7}).Draw(0.9), 7);
}

}  // namespace
}  // namespace orrery::simulation
