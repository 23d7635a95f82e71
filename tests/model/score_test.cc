// SPDX-License-Identifier: Apache-2.0
// Reward models on tiny models against PyTorch's (golden/make_training_golden.py): outputs, losses and gradients of
// twenty steps, siblings on a shared prefix as well as each alone; and the engine's scores of what was trained.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <numeric>

#include "base/paths.h"
#include "model/engine.h"
#include "model/source/hf_export.h"
#include "model/training/score_objective.h"
#include "model/training/trainer.h"
#include "tests/model/tiny_model.h"
#include "tests/model/training_steps.h"

namespace orrery::model {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

Json Golden(const char* file) { return Json::parse(ReadFile(*DataFile(file)).value()); }

std::vector<ScoredGroup> Groups(int step) {
  std::vector<ScoredGroup> groups;
  for (int g = 0; g < 3; ++g) {
    const auto text = [&](int length, int salt) {
      std::vector<TokenId> tokens;
      for (int i = 0; i < length; ++i) tokens.push_back((3 * i * i + (step + 5) * i + 11 * g + salt) % 95 + 1);
      return tokens;
    };
    ScoredGroup group{.prefix = text(11 + 4 * g, 0), .branches = {}, .pairs = {{0, 1}, {0, 2}}};
    group.branches = {{text(7, 31), 0.75f}, {text(12, 57), -0.25f}, {text(5 + g, 83), -1.0f}};
    if (g != 1) group.pairs.emplace_back(1, 2);
    groups.push_back(std::move(group));
  }
  return groups;
}

// A tiny reward model as a folder.
fs::path Folder(const std::string& name, double scale) {
  const fs::path folder = fs::path(testing::TempDir()) / ("score_" + name);
  TinyRewardModel(Golden("tests/model/golden/families.json")[name], scale).Write(folder);
  return folder;
}

struct Scorer {
  Scorer(const std::string& name, double scale, int threads = 2, bool checkpointing = false)
      : backend(kernels::Backend::Create(kernels::HostIsa(), kernels::Type::kFloat32)),
        pool(threads),
        ops(kernels::TrainingOps::Create(*backend, pool)),
        folder(Folder(name, scale)) {
    const auto source = ModelSource::Open(folder);
    EXPECT_TRUE(source.ok()) << source.status();
    const ModelShape shape = (*source)->Shape().value();
    EXPECT_EQ(shape.score_scale, scale);
    parameters = std::make_unique<Parameters>(Parameters::Read(**source, shape, false).value());
    parameters->gradients = FloatArray(parameters->count());
    parameters->first_moments = FloatArray(parameters->count());
    parameters->second_moments = FloatArray(parameters->count());
    network = std::make_unique<Network>(shape, *parameters, *ops,
                                        NetworkOptions{.max_rows = 260, .checkpointing = checkpointing});
    fused = shape.fused;
  }

  double Gradient(const std::vector<ScoredGroup>& groups, const ScoreOptions& options, double count) {
    std::ranges::fill(parameters->gradients.all(), 0.0f);
    ScoreObjective objective(*network, groups, options);
    std::vector<int32_t> all(groups.size());
    std::iota(all.begin(), all.end(), 0);
    return objective.Pass(all, static_cast<float>(1 / count), true).loss / count;
  }

  double Norm() const {
    const auto gradients = parameters->gradients.all();
    return std::sqrt(ops->SquaredNorm(gradients.data(), gradients.size()));
  }

  void Step(int step, float scale) { StepOfAdamW(*ops, *parameters, *network, step, scale); }

  std::unique_ptr<kernels::Backend> backend;
  kernels::ThreadPool pool;
  std::unique_ptr<kernels::TrainingOps> ops;
  fs::path folder;
  std::unique_ptr<Parameters> parameters;
  std::unique_ptr<Network> network;
  bool fused = false;
};

class ScoreGolden : public ::testing::TestWithParam<std::tuple<std::string, bool>> {
 protected:
  const Json golden_ = Golden("tests/model/golden/scoring.json");
};

TEST_P(ScoreGolden, StepsAreThoseOfPyTorch) {
  const auto& [name, shared] = GetParam();
  const double scale = golden_["scale"];
  for (const auto& [kind, loss] :
       {std::pair{"scores", ScoreLoss::kScores}, {"outputs", ScoreLoss::kOutputs}, {"squares", ScoreLoss::kSquares}}) {
    const Json& golden = golden_[name][kind];
    Scorer scorer(name, scale);
    const ScoreOptions options{.loss = loss, .scale = scale, .shared = shared};
    for (int step = 0; step < std::ssize(golden["losses"]); ++step) {
      const double got = scorer.Gradient(Groups(step), options, loss == ScoreLoss::kSquares ? 9 : 3);
      const double norm = scorer.Norm();
      EXPECT_NEAR(got, golden["losses"][step].get<double>(), 1e-4) << kind << ", step " << step;
      EXPECT_NEAR(norm, golden["norms"][step].get<double>(), 1e-3 * norm) << kind << ", step " << step;
      ExpectGradients(*scorer.ops, *scorer.parameters, scorer.fused, golden["gradients"][step]);
      scorer.Step(step + 1, static_cast<float>(std::min(1.0, 1.0 / (norm + 1e-6))));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ScoreGolden,
                         ::testing::Combine(::testing::Values("qwen2", "qwen2_tied", "llama3", "mistral", "phi3"),
                                            ::testing::Bool()),
                         [](const auto& info) {
                           return std::get<0>(info.param) + (std::get<1>(info.param) ? "_shared" : "_apart");
                         });

TEST(Score, NeitherCheckpointingNorThreadsChangeABit) {
  std::vector<std::vector<float>> results;
  for (const auto& [threads, checkpointing] : {std::pair{1, false}, {3, true}}) {
    Scorer scorer("qwen2", 1, threads, checkpointing);
    scorer.Gradient(Groups(0), {}, 3);
    const auto gradients = scorer.parameters->gradients.all();
    results.emplace_back(gradients.begin(), gradients.end());
  }
  EXPECT_EQ(results[0], results[1]);
}

TEST(Score, LearnsWhichIsBetter) {
  Scorer scorer("llama3", 1);
  const auto groups = Groups(0);
  ScoreObjective objective(*scorer.network, groups, {});
  Trainer trainer(*scorer.parameters, *scorer.network, *scorer.ops, objective,
                  {.epochs = 30, .batch = 3, .rate = 3e-3f, .decay = 0});
  const double before = trainer.Measure(objective).loss;
  while (!trainer.Done()) ASSERT_TRUE(trainer.Step().ok());
  const StepReport after = trainer.Measure(objective);
  EXPECT_LT(after.loss, 0.5 * before);
  EXPECT_EQ(after.accuracy, 1);
  EXPECT_GT(after.loss, std::log1p(std::exp(-2.0)) * 0.99) << "two scores lie at most 2 apart";
}

// In the order of their ids.
std::vector<Generation> AnswersOf(Engine& engine, std::vector<GenerationRequest> requests) {
  for (GenerationRequest& request : requests) EXPECT_TRUE(engine.Submit(std::move(request)).ok());
  std::map<uint64_t, Generation> answers;
  while (!engine.Idle()) {
    auto finished = engine.Step();
    EXPECT_TRUE(finished.ok()) << finished.status();
    for (Generation& generation : *finished) answers[generation.id] = std::move(generation);
  }
  std::vector<Generation> in_order;
  in_order.reserve(answers.size());
  for (auto& [id, generation] : answers) in_order.push_back(std::move(generation));
  return in_order;
}

Generation ScoreOf(Engine& engine, const std::vector<TokenId>& text) {
  const auto all = AnswersOf(engine, {{.id = 1, .prompt = text, .max_new_tokens = 0}});
  EXPECT_EQ(all.size(), 1U);
  return all.at(0);
}

TEST(Score, TheEngineServesWhatWasTrained) {
  const Json golden = Golden("tests/model/golden/scoring.json");
  const double scale = golden["scale"];
  for (const char* name : {"qwen2", "llama3", "phi3"}) {
    const auto engine = Engine::Load(Folder(name, scale), {.precision = Precision::kFloat32, .max_batch_rows = 16});
    ASSERT_TRUE(engine.ok()) << engine.status();
    EXPECT_TRUE((*engine)->scores());
    // All at once, then each alone: the same bits.
    std::vector<std::vector<TokenId>> texts;
    std::vector<double> expected;
    const auto groups = Groups(0);
    for (size_t g = 0; g < groups.size(); ++g) {
      for (size_t b = 0; b < groups[g].branches.size(); ++b) {
        texts.push_back(groups[g].prefix);
        texts.back().insert(texts.back().end(), groups[g].branches[b].tokens.begin(),
                            groups[g].branches[b].tokens.end());
        expected.push_back(std::tanh(golden[name]["scores"]["outputs"][g][b].get<double>() / scale));
      }
    }
    std::vector<GenerationRequest> requests;
    for (size_t i = 0; i < texts.size(); ++i) requests.push_back({.id = i, .prompt = texts[i], .max_new_tokens = 0});
    const auto scores = AnswersOf(**engine, std::move(requests));
    ASSERT_EQ(scores.size(), texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(scores[i].reason, FinishReason::kScored);
      EXPECT_NEAR(scores[i].score, expected[i], 1e-4) << name << " " << i;
      EXPECT_EQ(ScoreOf(**engine, texts[i]).score, scores[i].score) << name << " " << i;
    }
    EXPECT_THAT(Message((*engine)->Submit({.prompt = {1}, .max_new_tokens = 5})), HasSubstr("reward model"));
  }
}

// A policy and a linear probe on it: one engine gives every request of both the bits that engines of their own give it,
// whoever its neighbours are, and reads what they have in common once.
TEST(Score, OneNetworkServesAPolicyAndItsProbe) {
  for (const char* name : {"qwen2_tied", "llama3"}) {
    const Json family = Golden("tests/model/golden/families.json")[name];
    const fs::path base = fs::path(testing::TempDir()) / (std::string("probed_") + name), probe = Folder(name, 3);
    TinyModel(family["config"], family["tensors"]).Write(base);
    for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
      const EngineOptions options{.precision = precision, .max_batch_rows = 24};
      const auto policy = Engine::Load(base, options).value(), reader = Engine::Load(probe, options).value(),
                 both = Engine::Load(base, options).value();
      EXPECT_THAT(Message(both->Submit({.prompt = {1}, .max_new_tokens = 0})), HasSubstr("expected at least 1"));
      const auto taken = both->TakeScoresOf(probe, options);
      ASSERT_TRUE(taken.ok()) << taken.status();
      ASSERT_TRUE(*taken);
      std::vector<GenerationRequest> texts, scores, mixed;
      const auto groups = Groups(1);
      for (size_t i = 0; i < groups.size(); ++i) {
        texts.push_back({.id = i,
                         .prompt = groups[i].prefix,
                         .sampling = {.temperature = 1},
                         .max_new_tokens = 12,
                         .random = {.key = 7, .stream = i}});
        scores.push_back({.id = 100 + i, .prompt = groups[i].prefix, .max_new_tokens = 0});
        scores.back().prompt.push_back(5);
        mixed.insert(mixed.end(), {scores.back(), texts.back()});
      }
      const auto apart = AnswersOf(*policy, texts), read = AnswersOf(*reader, scores),
                 together = AnswersOf(*both, std::move(mixed));
      ASSERT_EQ(together.size(), apart.size() + read.size());
      for (size_t i = 0; i < apart.size(); ++i) {
        EXPECT_EQ(together[i].tokens, apart[i].tokens) << name << " " << i;
        EXPECT_EQ(together[i].log_probability, apart[i].log_probability) << name << " " << i;
      }
      for (size_t i = 0; i < read.size(); ++i) {
        EXPECT_EQ(together[apart.size() + i].reason, FinishReason::kScored);
        EXPECT_EQ(together[apart.size() + i].score, read[i].score) << name << " " << i;
        EXPECT_NE(read[i].score, 0);
      }
      EXPECT_LT(both->Counters().prompt_rows, policy->Counters().prompt_rows + reader->Counters().prompt_rows);
    }
  }
}

TEST(Score, OnlyAProbeOfThisVeryModelIsServedByIt) {
  const Json family = Golden("tests/model/golden/families.json")["qwen2_tied"];
  const fs::path base = fs::path(testing::TempDir()) / "probed";
  TinyModel(family["config"], family["tensors"]).Write(base);
  const EngineOptions options{.precision = Precision::kFloat32};
  const auto engine = Engine::Load(base, options).value();
  EXPECT_FALSE(engine->TakeScoresOf(Folder("qwen2", 3), options).value()) << "another model";
  EXPECT_FALSE(engine->TakeScoresOf(base, options).value()) << "no reward model";
  EXPECT_FALSE(engine->TakeScoresOf(Folder("qwen2_tied", 3), {}).value()) << "another precision";
  const fs::path tuned = fs::path(testing::TempDir()) / "probed_tuned";
  TinyRewardModel(family, 3).Write(tuned);
  std::string bytes = ReadFile(tuned / "model.safetensors").value();
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  std::ofstream(tuned / "model.safetensors", std::ios::binary) << bytes;
  EXPECT_FALSE(engine->TakeScoresOf(tuned, options).value()) << "one bit of one weight differs";
  EXPECT_TRUE(engine->TakeScoresOf(Folder("qwen2_tied", 3), options).value());
}

TEST(Score, ExportedAndReadAgain) {
  const fs::path base = fs::path(testing::TempDir()) / "score_base", out = fs::path(testing::TempDir()) / "score_out";
  fs::remove_all(out);
  const Json family = Golden("tests/model/golden/families.json")["qwen2_tied"];
  TinyModel(family["config"], family["tensors"]).Write(base);
  const auto source = ModelSource::Open(base).value();
  ModelShape shape = source->Shape().value();
  EXPECT_FALSE(shape.scores());
  shape.score_scale = 5;
  const Parameters one = Parameters::Read(*source, shape, true, 1).value();
  const Parameters two = Parameters::Read(*source, shape, true, 2).value();
  EXPECT_NE(one.values.at(one.head())[0], two.values.at(two.head())[0]) << "the new row is drawn by the seed";
  const ReplacedWeights weights{.values =
                                    [&](std::string_view name) {
                                      for (const auto& tensor : one.tensors()) {
                                        if (tensor.name == name)
                                          return static_cast<const float*>(one.values.at(tensor.offset));
                                      }
                                      return static_cast<const float*>(nullptr);
                                    },
                                .tied = true,
                                .score_scale = 5};
  ASSERT_TRUE(ExportHfFolder(base, out, {.weights = &weights}).ok());
  const auto again = ModelSource::Open(out);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->Shape()->score_scale, 5);
  const Parameters read = Parameters::Read(**again, *(*again)->Shape(), true).value();
  EXPECT_TRUE(std::ranges::equal(read.values.all(), one.values.all()));
  const auto engine = Engine::Load(base, {});
  ASSERT_TRUE(engine.ok());
  EXPECT_FALSE((*engine)->Submit({.prompt = {1}, .max_new_tokens = 0}).ok()) << "no reward model";
}

}  // namespace
}  // namespace orrery::model
