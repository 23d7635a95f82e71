// SPDX-License-Identifier: Apache-2.0
// Twenty steps of training on tiny models against PyTorch's: losses, norms and the gradient of every tensor
// (golden/make_training_golden.py); and what must not change them: checkpointing, the number of threads.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

#include "base/paths.h"
#include "model/training/network.h"
#include "tests/model/tiny_model.h"
#include "tests/model/training_steps.h"

namespace orrery::model {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

Json Golden(const char* file) { return Json::parse(ReadFile(*DataFile(file)).value()); }

struct Example {
  std::vector<int32_t> tokens;
  int learnt;  // of the last ones
};

std::vector<Example> Batch(int step) {
  std::vector<Example> batch;
  for (const auto& [length, learnt] : {std::pair{30, 12}, {9, 8}, {41, 20}}) {
    Example example{{}, learnt};
    for (int i = 0; i < length; ++i)
      example.tokens.push_back((5 * i * i + (step + 3) * i + 7 * static_cast<int>(batch.size())) % 95 + 1);
    batch.push_back(example);
  }
  return batch;
}

struct Packed {
  std::vector<int32_t> tokens, begins = {0}, which, targets;
  std::vector<float> weights;
};

Packed Pack(const std::vector<Example>& batch) {
  Packed packed;
  for (const Example& example : batch) {
    const int begin = packed.begins.back(), length = static_cast<int>(example.tokens.size());
    packed.tokens.insert(packed.tokens.end(), example.tokens.begin(), example.tokens.end());
    packed.begins.push_back(begin + length);
    for (int i = length - example.learnt; i < length; ++i) {
      packed.which.push_back(begin + i - 1);
      packed.targets.push_back(example.tokens[i]);
    }
  }
  packed.weights.assign(packed.which.size(), 1.0f / static_cast<float>(packed.which.size()));
  return packed;
}

// A tiny model under training.
struct Training {
  Training(const std::string& name, kernels::Type type, int threads, bool checkpointing)
      : backend(kernels::Backend::Create(kernels::HostIsa(), type)),
        pool(threads),
        ops(kernels::TrainingOps::Create(*backend, pool)) {
    const Json family = Golden("tests/model/golden/families.json")[name];
    const fs::path folder = fs::path(testing::TempDir()) / name;
    TinyModel(family["config"], family["tensors"]).Write(folder);
    auto source = ModelSource::Open(folder);
    EXPECT_TRUE(source.ok()) << source.status();
    const auto shape = (*source)->Shape();
    EXPECT_TRUE(shape.ok()) << shape.status();
    auto read = Parameters::Read(**source, *shape, (*source)->Find("output.weight") == nullptr);
    EXPECT_TRUE(read.ok()) << read.status();
    parameters = std::make_unique<Parameters>(*std::move(read));
    parameters->gradients = FloatArray(parameters->count());
    parameters->first_moments = FloatArray(parameters->count());
    parameters->second_moments = FloatArray(parameters->count());
    network = std::make_unique<Network>(*shape, *parameters, *ops,
                                        NetworkOptions{.max_rows = 100, .checkpointing = checkpointing});
    fused = shape->fused;
  }

  double Gradient(const Packed& batch) {
    std::fill(parameters->gradients.all().begin(), parameters->gradients.all().end(), 0.0f);
    std::vector<double> losses(batch.which.size());
    network->Forward(batch.tokens, {batch.begins});
    network->LanguageHead(batch.which, batch.targets, batch.weights, true, losses.data());
    network->Backward();
    return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
  }

  void Step(int step, float scale, float rate = 1e-3f) { StepOfAdamW(*ops, *parameters, *network, step, scale, rate); }

  std::unique_ptr<kernels::Backend> backend;
  kernels::ThreadPool pool;
  std::unique_ptr<kernels::TrainingOps> ops;
  std::unique_ptr<Parameters> parameters;
  std::unique_ptr<Network> network;
  bool fused = false;
};

class TrainingGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(TrainingGolden, TwentyStepsAreThoseOfPyTorch) {
  const Json golden = Golden("tests/model/golden/training.json")[GetParam()];
  Training training(GetParam(), kernels::Type::kFloat32, 2, false);
  for (int step = 0; step < 20; ++step) {
    const double loss = training.Gradient(Pack(Batch(step)));
    EXPECT_NEAR(loss, golden["losses"][step].get<double>(), 1e-4) << "step " << step;
    const auto gradients = training.parameters->gradients.all();
    const double norm = std::sqrt(training.ops->SquaredNorm(gradients.data(), gradients.size()));
    EXPECT_NEAR(norm, golden["norms"][step].get<double>(), 1e-3 * norm) << "step " << step;
    ExpectGradients(*training.ops, *training.parameters, training.fused, golden["gradients"][step]);
    training.Step(step + 1, static_cast<float>(std::min(1.0, 1.0 / (norm + 1e-6))));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TrainingGolden, ::testing::Values("qwen2", "qwen2_tied", "llama3", "mistral", "phi3"),
                         [](const auto& info) { return info.param; });

TEST(Training, NeitherCheckpointingNorThreadsChangeABit) {
  for (const kernels::Type type : {kernels::Type::kFloat32, kernels::Type::kBfloat16}) {
    std::vector<std::vector<float>> results;
    for (const auto& [threads, checkpointing] : {std::pair{1, false}, {3, false}, {2, true}}) {
      Training training("qwen2", type, threads, checkpointing);
      for (int step = 0; step < 3; ++step) {
        training.Gradient(Pack(Batch(step)));
        training.Step(step + 1, 1);
      }
      const auto values = training.parameters->values.all();
      results.emplace_back(values.begin(), values.end());
    }
    EXPECT_EQ(results[0], results[1]);
    EXPECT_EQ(results[0], results[2]);
  }
}

TEST(Training, Bfloat16FollowsFloat32) {
  Training exact("llama3", kernels::Type::kFloat32, 1, false), rounded("llama3", kernels::Type::kBfloat16, 1, false);
  for (int step = 0; step < 5; ++step) {
    EXPECT_NEAR(rounded.Gradient(Pack(Batch(step))), exact.Gradient(Pack(Batch(step))), 0.05);
    exact.Step(step + 1, 1);
    rounded.Step(step + 1, 1);
  }
}

TEST(Training, LearnsABatchByHeart) {
  Training training("qwen2_tied", kernels::Type::kBfloat16, 2, true);
  const Packed batch = Pack(Batch(0));
  const double before = training.Gradient(batch);
  double loss = before;
  for (int step = 0; step < 80; ++step) {
    training.Step(step + 1, 1, 3e-3f);
    loss = training.Gradient(batch);
  }
  EXPECT_GT(before, 4);
  EXPECT_LT(loss, 0.1);
}

}  // namespace
}  // namespace orrery::model
