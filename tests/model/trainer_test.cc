// SPDX-License-Identifier: Apache-2.0
// The trainer on a tiny model: every example once an epoch in a seeded order, going on from a checkpoint with the same
// bits, and what it refuses.
#include "model/training/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "base/paths.h"
#include "model/training/checkpoint.h"
#include "model/training/language_objective.h"
#include "tests/model/tiny_model.h"

namespace orrery::model {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

std::vector<TrainingExample> Examples(int count) {
  std::vector<TrainingExample> examples;
  for (int i = 0; i < count; ++i) {
    TrainingExample example{{}, 3 + i % 4};
    for (int t = 0; t < 10 + 7 * i % 23; ++t) example.tokens.push_back((t * t + 13 * i) % 96);
    examples.push_back(example);
  }
  return examples;
}

class TrainerTest : public ::testing::Test {
 protected:
  struct Made {
    std::unique_ptr<Parameters> parameters;
    std::unique_ptr<Network> network;
    std::unique_ptr<std::vector<TrainingExample>> examples;
    std::unique_ptr<LanguageObjective> objective;
    std::unique_ptr<Trainer> trainer;
    Trainer* operator->() const { return trainer.get(); }
  };

  static void SetUpTestSuite() {
    const Json family = Json::parse(ReadFile(*DataFile("tests/model/golden/families.json")).value())["qwen2_tied"];
    TinyModel(family["config"], family["tensors"]).Write(Folder());
  }
  static fs::path Folder() { return fs::path(testing::TempDir()) / "trainer_tiny"; }

  Made Make(int examples, TrainerOptions options = {}, bool freeze_embeddings = false) {
    Made made;
    const auto source = ModelSource::Open(Folder()).value();
    const ModelShape shape = source->Shape().value();
    made.parameters = std::make_unique<Parameters>(Parameters::Read(*source, shape, true).value());
    made.network = std::make_unique<Network>(shape, *made.parameters, *ops_,
                                             NetworkOptions{.max_rows = 64, .freeze_embeddings = freeze_embeddings});
    options.rate = 1e-2f;
    options.batch = 3;
    made.examples = std::make_unique<std::vector<TrainingExample>>(Examples(examples));
    made.objective = std::make_unique<LanguageObjective>(*made.network, *made.examples);
    made.trainer = std::make_unique<Trainer>(*made.parameters, *made.network, *ops_, *made.objective, options);
    return made;
  }

  // The mean loss on examples that are not learnt.
  static double Loss(Made& made, const std::vector<TrainingExample>& examples) {
    LanguageObjective objective(*made.network, examples);
    return made->Measure(objective).loss;
  }

  static std::vector<float> Values(const Made& made) {
    const auto all = made.parameters->values.all();
    return {all.begin(), all.end()};
  }

  std::unique_ptr<kernels::Backend> backend_ = kernels::Backend::Create(kernels::HostIsa(), kernels::Type::kFloat32);
  kernels::ThreadPool pool_{2};
  std::unique_ptr<kernels::TrainingOps> ops_ = kernels::TrainingOps::Create(*backend_, pool_);
  fs::path checkpoint_ = fs::path(testing::TempDir()) / "trainer_checkpoint";
  void SetUp() override { fs::remove_all(checkpoint_); }
};

TEST_F(TrainerTest, LearnsEveryExampleOnceAnEpoch) {
  auto made = Make(10, {.epochs = 3});
  EXPECT_EQ(made->steps(), 12);
  uint64_t learnt = 0, tokens = 0;
  for (const auto& example : Examples(10)) {
    tokens += example.tokens.size();
    learnt += example.tokens.size() - example.prompt;
  }
  std::vector<uint64_t> orders;
  for (int epoch = 0; epoch < 3; ++epoch) {
    StepReport sum;
    for (int i = 0; i < 4; ++i) {
      const auto report = made->Step();
      ASSERT_TRUE(report.ok()) << report.status();
      sum.tokens += report->tokens;
      sum.learnt += report->learnt;
      if (i == 0) orders.push_back(report->tokens * 1000 + report->learnt);
    }
    EXPECT_EQ(sum.tokens, tokens);
    EXPECT_EQ(sum.learnt, learnt);
  }
  EXPECT_TRUE(made->Done());
  EXPECT_FALSE(orders[0] == orders[1] && orders[1] == orders[2]) << "each epoch has an order of its own";
}

TEST_F(TrainerTest, LossFallsOnWhatIsLearntAndIsMeasuredOnOthers) {
  auto made = Make(6, {.epochs = 30, .schedule = RateSchedule::kCosine});
  const double before = Loss(made, Examples(6));
  double first = 0, last = 0;
  while (!made->Done()) {
    const auto report = made->Step();
    ASSERT_TRUE(report.ok());
    if (report->step == 1) first = report->loss;
    last = report->loss;
  }
  EXPECT_NEAR(before, first, 1.5);
  EXPECT_LT(last, 0.5 * first);
  EXPECT_LT(Loss(made, Examples(6)), 0.5 * before);
}

TEST_F(TrainerTest, GoesOnFromACheckpointWithTheSameBits) {
  auto whole = Make(10);
  while (!whole->Done()) ASSERT_TRUE(whole->Step().ok());
  auto first = Make(10);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(first->Step().ok());
  ASSERT_TRUE(first->Save(checkpoint_, "one").ok());
  ASSERT_TRUE(first->Step().ok());
  ASSERT_TRUE(first->Save(checkpoint_, "one").ok()) << "in the old one's place";
  auto second = Make(10);
  ASSERT_TRUE(second->Load(checkpoint_, "one").ok());
  EXPECT_EQ(second->step(), 4);
  while (!second->Done()) ASSERT_TRUE(second->Step().ok());
  EXPECT_EQ(Values(second), Values(whole));
}

TEST_F(TrainerTest, RefusesAnotherTrainingsCheckpointAndChangedBytes) {
  auto made = Make(4);
  EXPECT_TRUE(absl::IsNotFound(made->Load(checkpoint_, "one")));
  ASSERT_TRUE(made->Step().ok());
  ASSERT_TRUE(made->Save(checkpoint_, "one").ok());
  EXPECT_THAT(Message(made->Load(checkpoint_, "another")), HasSubstr("another training"));
  // Killed between putting the old one away and the new one in its place.
  fs::rename(checkpoint_, checkpoint_.string() + ".old");
  EXPECT_TRUE(made->Load(checkpoint_, "one").ok());
  fs::rename(checkpoint_.string() + ".old", checkpoint_);
  {
    std::fstream file(checkpoint_ / "second_moments.f32", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1000);
    file.put('\x7f');
  }
  const Status changed = made->Load(checkpoint_, "one");
  EXPECT_TRUE(absl::IsDataLoss(changed)) << changed;
  EXPECT_THAT(Message(changed), HasSubstr("second_moments.f32"));
  fs::resize_file(checkpoint_ / "values.f32", 100);
  EXPECT_THAT(Message(made->Load(checkpoint_, "one")), HasSubstr("values.f32"));
}

TEST_F(TrainerTest, AStepThatIsNotFiniteChangesNothing) {
  auto made = Make(4);
  ASSERT_TRUE(made->Step().ok());
  made.parameters->values.at(made.parameters->final_norm())[0] = std::numeric_limits<float>::quiet_NaN();
  made.network->Refresh();
  const auto moments = made.parameters->first_moments.all();
  const std::vector<float> before(moments.begin(), moments.end());
  const auto report = made->Step();
  ASSERT_FALSE(report.ok());
  EXPECT_THAT(Message(report.status()), HasSubstr("step 2"));
  EXPECT_EQ(made->step(), 1);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), moments.begin()));
}

TEST_F(TrainerTest, FrozenEmbeddingsStay) {
  auto made = Make(6, {}, true);
  const auto before = Values(made);
  while (!made->Done()) ASSERT_TRUE(made->Step().ok());
  const auto after = Values(made);
  for (const ParameterTensor& tensor : made.parameters->tensors()) {
    const bool same =
        std::equal(&before[tensor.offset], &before[tensor.offset] + tensor.rows * tensor.width, &after[tensor.offset]);
    EXPECT_EQ(same, tensor.name == "token_embd.weight") << tensor.name;
  }
}

}  // namespace
}  // namespace orrery::model
