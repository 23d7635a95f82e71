// SPDX-License-Identifier: Apache-2.0
// Steps of training of tiny models on a CUDA training, run by the emulator: forward, loss, backward and AdamW, of
// policies and of preference models. The bits of the reference that sums in the same order, whatever the order of
// threads; near the processor's; and going on from a checkpoint with the same bits.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/paths.h"
#include "kernels/cuda/emulator/emulated_training.h"
#include "kernels/reference/ordered_training.h"
#include "model/training/language_objective.h"
#include "model/training/score_objective.h"
#include "model/training/trainer.h"
#include "tests/model/tiny_model.h"

namespace orrery::model {
namespace {

using kernels::TrainingOps;
using kernels::Type;
using kernels::cuda::emulator::NewEmulatedTraining;
using kernels::cuda::emulator::Order;
using kernels::cuda::emulator::Schedule;
using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr double kScale = 2;

std::vector<TokenId> Text(int length, int salt) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < length; ++i) tokens.push_back((3 * i * i + 5 * i + salt) % 95 + 1);
  return tokens;
}

// What is trained: a policy, or a preference model on siblings that share their prefix.
struct Task {
  std::string family;
  bool score;
};

class Training {
 public:
  Training(const TrainingOps& ops, const Task& task) : ops_(ops) {
    const fs::path folder = fs::path(testing::TempDir()) / ("cuda_training_" + task.family);
    const Json family = Json::parse(ReadFile(*DataFile("tests/model/golden/families.json")).value())[task.family];
    task.score ? TinyRewardModel(family, kScale).Write(folder)
               : TinyModel(family["config"], family["tensors"]).Write(folder);
    const auto source = ModelSource::Open(folder).value();
    const ModelShape shape = source->Shape().value();
    const bool tied = !task.score && source->Find("output.weight") == nullptr;
    parameters_ = std::make_unique<Parameters>(Parameters::Read(*source, shape, tied, 1, ops.memory()).value());
    network_ = std::make_unique<Network>(shape, *parameters_, ops, NetworkOptions{.max_rows = 90});
    if (task.score) {
      for (int g = 0; g < 4; ++g) {
        groups_.push_back({.prefix = Text(9 + 4 * g, g), .branches = {}, .pairs = {{0, 1}, {2, 1}}});
        for (int b = 0; b < 3; ++b) groups_.back().branches.push_back({Text(5 + 3 * b, 31 * b + g), 0});
      }
      objective_ = std::make_unique<ScoreObjective>(*network_, groups_, ScoreOptions{.scale = kScale});
    } else {
      for (int i = 0; i < 4; ++i) examples_.push_back({Text(15 + 11 * i, i), 4 + i});
      objective_ = std::make_unique<LanguageObjective>(*network_, examples_);
    }
    trainer_ = std::make_unique<Trainer>(*parameters_, *network_, ops, *objective_,
                                         TrainerOptions{.epochs = 1, .batch = 2, .rate = 1e-2f});
  }

  void Run() {
    for (int64_t i = 0; i < trainer_->steps(); ++i) Step();
  }
  void Step() {
    const auto report = trainer_->Step();
    ASSERT_TRUE(report.ok()) << Message(report.status());
    losses.push_back(report->loss);
    norms.push_back(report->norm);
  }
  Trainer& trainer() { return *trainer_; }

  // Values, gradients of the last step, and moments.
  std::vector<float> State() const {
    ops_.Finish();
    std::vector<float> state;
    for (const FloatArray* array :
         {&parameters_->values, &parameters_->gradients, &parameters_->first_moments, &parameters_->second_moments})
      state.insert(state.end(), array->all().begin(), array->all().end());
    return state;
  }
  std::vector<float> Gradients() const {
    ops_.Finish();
    return {parameters_->gradients.all().begin(), parameters_->gradients.all().end()};
  }

  std::vector<double> losses, norms;

 private:
  const TrainingOps& ops_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<Network> network_;
  std::vector<TrainingExample> examples_;
  std::vector<ScoredGroup> groups_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Trainer> trainer_;
};

class CudaTrainingSteps : public ::testing::TestWithParam<std::tuple<std::string, bool, Type>> {
 protected:
  Task task() const { return {std::get<0>(GetParam()), std::get<1>(GetParam())}; }
  Type type() const { return std::get<2>(GetParam()); }
};

TEST_P(CudaTrainingSteps, HaveTheOrderedReferencesBitsInEveryOrderOfThreads) {
  const auto ordered = kernels::reference::NewOrderedTraining(type());
  Training want(*ordered, task());
  want.Run();
  ASSERT_EQ(want.losses.size(), 2u);
  EXPECT_NE(want.norms[0], want.norms[1]);
  const std::vector<float> state = want.State();
  for (const Schedule& schedule :
       {Schedule{Order::kForward, 0}, Schedule{Order::kReverse, 0}, Schedule{Order::kShuffled, 5}}) {
    const auto ops = NewEmulatedTraining(type(), schedule);
    Training got(*ops, task());
    got.Run();
    EXPECT_EQ(got.losses, want.losses);
    EXPECT_EQ(got.norms, want.norms);
    const std::vector<float> other = got.State();
    ASSERT_EQ(other.size(), state.size());
    EXPECT_EQ(std::memcmp(other.data(), state.data(), state.size() * sizeof(float)), 0)
        << "order " << static_cast<int>(schedule.order);
  }
}

TEST_P(CudaTrainingSteps, AreNearTheProcessors) {
  const auto backend = kernels::Backend::Create(kernels::HostIsa(), type());
  kernels::ThreadPool pool(1);
  const auto cpu = TrainingOps::Create(*backend, pool);
  const auto emulated = NewEmulatedTraining(type(), {});
  Training want(*cpu, task()), got(*emulated, task());
  want.Step();
  got.Step();
  const double near = type() == Type::kFloat32 ? 1e-5 : 2e-2;
  EXPECT_NEAR(got.losses[0], want.losses[0], near * (1 + want.losses[0]));
  EXPECT_NEAR(got.norms[0], want.norms[0], near * want.norms[0]);
  const std::vector<float> expected = want.Gradients(), gradients = got.Gradients();
  double difference = 0;
  for (size_t i = 0; i < expected.size(); ++i)
    difference += (double{gradients[i]} - expected[i]) * (double{gradients[i]} - expected[i]);
  EXPECT_LT(std::sqrt(difference), near * want.norms[0]);
}

INSTANTIATE_TEST_SUITE_P(
    Models, CudaTrainingSteps,
    ::testing::Values(std::tuple{"qwen2", false, Type::kFloat32}, std::tuple{"qwen2", false, Type::kBfloat16},
                      std::tuple{"mistral", false, Type::kFloat32}, std::tuple{"qwen2_tied", false, Type::kFloat32},
                      std::tuple{"qwen2", true, Type::kFloat32}, std::tuple{"phi3", true, Type::kBfloat16}),
    [](const auto& info) {
      return std::get<0>(info.param) + (std::get<1>(info.param) ? "_preferences" : "_texts") +
             (std::get<2>(info.param) == Type::kFloat32 ? "_float32" : "_bfloat16");
    });

TEST(CudaTraining, GoesOnFromACheckpointWithTheSameBits) {
  const fs::path folder = fs::path(testing::TempDir()) / "cuda_training_checkpoint";
  fs::remove_all(folder);
  const Task task = {"qwen2", false};
  const auto ops = NewEmulatedTraining(Type::kFloat32, {});
  Training whole(*ops, task);
  whole.Step();
  ASSERT_TRUE(whole.trainer().Save(folder, "one").ok());
  whole.Step();
  Training again(*ops, task);
  ASSERT_TRUE(again.trainer().Load(folder, "one").ok());
  again.Step();
  EXPECT_EQ(again.State(), whole.State());
}

}  // namespace
}  // namespace orrery::model
