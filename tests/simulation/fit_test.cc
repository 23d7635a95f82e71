// SPDX-License-Identifier: Apache-2.0

// What is known goes in, and comes out again: campaigns of real actors over a policy that draws from a known profile
// are fitted, and give that profile back. The same campaign in virtual time makes as many rollouts and expansions.

#include "simulation/fit.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "bench/scale_run.h"
#include "simulation/campaign.h"
#include "tests/simulation/made_profile.h"

namespace orrery::simulation {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kProblems = 400;

struct Recording {
  fs::path folder;
  bench::ScaleFigures figures;
};

const Recording& TheRecording() {
  static const Recording one = [] {
    Recording recording{fs::path(testing::TempDir()) / ("fit" + std::to_string(getpid())), {}};
    bench::ScaleSetting setting;
    setting.profile = std::make_shared<const Profile>(MadeProfile());
    setting.rules = setting.profile->rules;
    setting.problems = kProblems;
    setting.live_trees = 64;
    setting.folder = recording.folder;
    fs::create_directories(setting.folder);
    auto figures = bench::RunScale(setting);
    EXPECT_TRUE(figures.ok()) << figures.status();
    if (figures.ok()) recording.figures = *std::move(figures);
    return recording;
  }();
  return one;
}

TEST(Fit, GivesBackThePolicyThatWasDrawnFrom) {
  const Profile made = MadeProfile();
  auto store = store::Store::OpenReadOnly(TheRecording().folder / "store");
  ASSERT_TRUE(store.ok()) << store.status();
  Profile fitted;
  ASSERT_TRUE(FitPolicy({.store = store->get(), .rules = made.rules}, &fitted).ok());
  EXPECT_NEAR(fitted.success.Mean(), made.success.Mean(), 0.05);
  EXPECT_NEAR(fitted.faithful, made.faithful, 0.02);
  EXPECT_NEAR(fitted.lucky, made.lucky, 0.02);
  ASSERT_EQ(fitted.shapes.size(), 3U);
  double common_kind = 0;
  for (const Shape& shape : fitted.shapes) {
    for (size_t depth = 0; depth < 3; ++depth) {
      for (size_t kind = 0; kind < kKinds; ++kind) {
        EXPECT_NEAR(shape.by_depth[depth].share[kind], made.shapes[0].by_depth[depth].share[kind], 0.06)
            << "at depth " << depth << ": " << Name(static_cast<Kind>(kind));
      }
    }
    EXPECT_NEAR(shape.after_output.share[static_cast<size_t>(Kind::kAnswer)], 0.9, 0.03);
    EXPECT_NEAR(shape.tokens[static_cast<size_t>(Kind::kStep)].Mean(), 30, 2);
    EXPECT_NEAR(shape.answer_tokens[static_cast<size_t>(Kind::kAnswer)].Mean(), 15, 1);
    EXPECT_NEAR(shape.by_depth[0].common_text, 0.4, 0.1);
    EXPECT_NEAR(shape.after_output.common_text, 0.6, 0.1);
    common_kind += shape.by_depth[1].common_kind / 3;
  }
  EXPECT_NEAR(common_kind, 0.5, 0.08);
}

TEST(Fit, VirtualTimeAndRealActorsMakeTheSameSearch) {
  const Profile made = MadeProfile();
  const auto figures = Simulate(made, {.rules = made.rules, .problems = kProblems, .live_trees = 64});
  const auto& real = TheRecording().figures;
  const auto near = [](uint64_t simulated, uint64_t measured) {
    EXPECT_NEAR(static_cast<double>(simulated) / static_cast<double>(measured), 1, 0.05);
  };
  near(figures.rollouts, real.rollouts);
  near(figures.expansions, real.expansions);
  EXPECT_NEAR(static_cast<double>(figures.solved), static_cast<double>(real.solved), 0.1 * kProblems);
}

TEST(Fit, TheMachineIsReadOffTheTelemetry) {
  std::string telemetry;
  double busy = 0, rows = 0;
  for (int second = 1; second <= 100; ++second) {
    const int per_batch = second % 2 == 0 ? 10 : 200;
    rows += 8 * per_batch;
    busy += 8 * (0.05 + 0.002 * per_batch);
    telemetry += fmt::format(
        "{{\"seconds\":{},\"orrery_batches_total\":{},\"orrery_batch_rows_total\":{},\"orrery_prompt_rows_total\":{},"
        "\"orrery_model_busy_seconds_total\":{},\"orrery_expansions_total\":{},"
        "\"orrery_messages_processed_total{{kind=\\\"sandbox\\\"}}\":{},"
        "\"orrery_busy_seconds_total{{kind=\\\"sandbox\\\"}}\":{},\"orrery_actors_live{{kind=\\\"sandbox\\\"}}\":3}}\n",
        second, second * 8, rows, second * 60, busy, second * 2, second * 4, second * 0.1);
  }
  Profile profile;
  ASSERT_TRUE(FitMachine(telemetry, &profile).ok());
  EXPECT_NEAR(profile.device.seconds_per_batch, 0.05, 1e-6);
  EXPECT_NEAR(profile.device.seconds_per_row, 0.002, 1e-8);
  EXPECT_EQ(profile.device.prompt_rows, 30);
  EXPECT_NEAR(profile.sandbox.mean, 0.025, 1e-9);
  EXPECT_NEAR(profile.sandbox.deviation, 0, 1e-9);
  EXPECT_EQ(profile.sandbox.workers, 3);
  EXPECT_EQ(profile.recorded.batches, 800U);
}

TEST(Fit, AResumedCampaignCountsAllItsSessions) {
  const auto line = [](int second) {
    return fmt::format(
        "{{\"orrery_batches_total\":{},\"orrery_batch_rows_total\":{},\"orrery_model_busy_seconds_total\":{},"
        "\"orrery_expansions_total\":{},\"orrery_store_commits_total\":{},\"orrery_store_commit_seconds_total\":{}}}\n",
        second * 8, second * 400, second * 0.5, second * 2, second, second * 0.01);
  };
  std::string whole, parts;
  for (int second = 0; second <= 30; ++second) whole += line(second);
  for (const int seconds : {9, 1, 20}) {
    for (int second = 0; second <= seconds; ++second) parts += line(second);
    parts += line(seconds).substr(0, 40) + "\n";  // torn by a kill
  }
  Profile undisturbed, resumed;
  ASSERT_TRUE(FitMachine(whole, &undisturbed).ok());
  ASSERT_TRUE(FitMachine(parts, &resumed).ok());
  EXPECT_EQ(resumed.recorded.batches, 240U);
  EXPECT_EQ(resumed.recorded.batches, undisturbed.recorded.batches);
  EXPECT_EQ(resumed.recorded.rows, undisturbed.recorded.rows);
  EXPECT_NEAR(resumed.device.seconds_per_row, undisturbed.device.seconds_per_row, 1e-9);
  EXPECT_NEAR(resumed.journal.mean, undisturbed.journal.mean, 1e-9);
  EXPECT_NEAR(resumed.journal.deviation, 0, 1e-6);
}

TEST(Fit, SaysWhatIsWrongWithAFile) {
  Profile profile;
  EXPECT_EQ(Message(FitMachine("{}\nnonsense\n", &profile)), "telemetry.jsonl, line 2: expected a JSON object");
  EXPECT_EQ(Message(FitMachine("{}\n", &profile)),
            "telemetry.jsonl: expected lines with orrery_batches_total above 0; found none");
  const auto fit = [](std::string_view summary) {
    return Message(Fit({.store = nullptr, .rules = {}, .telemetry = "", .summary = summary}).status());
  };
  EXPECT_EQ(fit("[]"), "summary.json: expected one JSON object");
  EXPECT_EQ(fit("{}"), "summary.json: expected a campaign with finished problems");
  EXPECT_EQ(fit("{\"finished\": 1}"), "summary.json: \"measured\" is not there");
}

}  // namespace
}  // namespace orrery::simulation
