// SPDX-License-Identifier: Apache-2.0
// Low-rank adapters on a tiny model: they begin as nothing, their gradients are those of the definition, and they alone
// are trained.
#include "model/training/adapter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/paths.h"
#include "model/formats/safetensors.h"
#include "model/training/adapter_export.h"
#include "model/training/language_objective.h"
#include "model/training/trainer.h"
#include "tests/model/tiny_model.h"

namespace orrery::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kRank = 4;
constexpr double kAlpha = 8;

std::vector<TrainingExample> Examples(int count) {
  std::vector<TrainingExample> examples;
  for (int i = 0; i < count; ++i) {
    TrainingExample example{{}, 2 + i % 3};
    for (int t = 0; t < 9 + 5 * i % 17; ++t) example.tokens.push_back((t * t + 11 * i) % 96);
    examples.push_back(example);
  }
  return examples;
}

class AdapterTest : public ::testing::Test {
 protected:
  struct Made {
    std::unique_ptr<Parameters> parameters;
    std::unique_ptr<Network> network;
    std::unique_ptr<Adapter> adapter;
    std::unique_ptr<std::vector<TrainingExample>> examples;
    std::unique_ptr<LanguageObjective> objective;
    std::unique_ptr<Trainer> trainer;
  };

  static void SetUpTestSuite() {
    const Json family = Json::parse(ReadFile(*DataFile("tests/model/golden/families.json")).value())["qwen2_tied"];
    TinyModel(family["config"], family["tensors"]).Write(Folder());
  }
  static fs::path Folder() { return fs::path(testing::TempDir()) / "adapter_tiny"; }

  Made Make(bool adapted) const {
    Made made;
    const auto source = ModelSource::Open(Folder()).value();
    const ModelShape shape = source->Shape().value();
    made.parameters = std::make_unique<Parameters>(Parameters::Read(*source, shape, true).value());
    made.network = std::make_unique<Network>(shape, *made.parameters, *ops_, NetworkOptions{.max_rows = 64});
    if (adapted) made.adapter = std::make_unique<Adapter>(*made.parameters, *ops_, AdapterOptions{kRank, kAlpha, 5});
    made.examples = std::make_unique<std::vector<TrainingExample>>(Examples(8));
    made.objective = std::make_unique<LanguageObjective>(*made.network, *made.examples);
    const TrainerOptions options{.epochs = 20, .batch = 4, .rate = 1e-2f, .decay = 0, .clip = 0};
    made.trainer =
        std::make_unique<Trainer>(*made.parameters, *made.network, *ops_, *made.objective, options, made.adapter.get());
    return made;
  }

  // B[i][r] or A[r][j] of the adapter beside a matrix.
  static size_t Place(const Adapter& adapter, const std::string& name) {
    for (const ParameterTensor& tensor : adapter.tensors()) {
      if (tensor.name == name) return tensor.offset;
    }
    ADD_FAILURE() << name;
    return 0;
  }

  std::unique_ptr<kernels::Backend> backend_ = kernels::Backend::Create(kernels::HostIsa(), kernels::Type::kFloat32);
  kernels::ThreadPool pool_{2};
  std::unique_ptr<kernels::TrainingOps> ops_ = kernels::TrainingOps::Create(*backend_, pool_);
};

TEST_F(AdapterTest, BeginsAsNothing) {
  const Made plain = Make(false), adapted = Make(true);
  const auto first = plain.trainer->Measure(*plain.objective), second = adapted.trainer->Measure(*adapted.objective);
  EXPECT_EQ(first.loss, second.loss);
  const ParameterTensor& tensor = adapted.parameters->tensors()[1];
  const float* values = adapted.adapter->Values(tensor.offset, tensor.rows * tensor.width);
  for (uint64_t i = 0; i < tensor.rows * tensor.width; ++i)
    ASSERT_EQ(values[i], adapted.parameters->values.at(tensor.offset)[i]);
}

// With A = A0 and any B: dL/dB = s·G·Aᵀ and dL/dA = s·Bᵀ·G, G being the gradient of the matrix, in plain loops.
TEST_F(AdapterTest, GradientsAreThoseOfTheDefinition) {
  Made made = Make(true);
  for (const ParameterTensor& tensor : made.adapter->tensors()) {
    if (!tensor.name.ends_with(".lora_b")) continue;
    for (uint64_t i = 0; i < tensor.rows * tensor.width; ++i)
      made.adapter->values.at(tensor.offset)[i] = 0.02f * std::sin(static_cast<float>(i));
  }
  ASSERT_TRUE(made.trainer->Step().ok());
  made.adapter->GatherGradients();  // the matrices' gradients are still there; A and B are those after the step
  const Adapter& adapter = *made.adapter;
  const double scale = kAlpha / kRank;
  int matrices = 0;
  for (const ParameterTensor& matrix : made.parameters->tensors()) {
    if (!matrix.decays || !matrix.name.starts_with("blk.")) continue;
    ++matrices;
    const float* g = made.parameters->gradients.at(matrix.offset);
    const size_t a_place = Place(adapter, matrix.name + ".lora_a"), b_place = Place(adapter, matrix.name + ".lora_b");
    const float *a = adapter.values.at(a_place), *b = adapter.values.at(b_place);
    double largest = 0;
    for (uint64_t i = 0; i < matrix.rows * matrix.width; ++i) largest = std::max<double>(largest, std::abs(g[i]));
    ASSERT_GT(largest, 0) << matrix.name;
    for (uint64_t r = 0; r < kRank; ++r) {
      for (uint64_t i = 0; i < matrix.rows; ++i) {
        double sum = 0;
        for (uint64_t j = 0; j < matrix.width; ++j) sum += double{g[i * matrix.width + j]} * a[r * matrix.width + j];
        ASSERT_NEAR(adapter.gradients.at(b_place)[i * kRank + r], scale * sum, 1e-4 * largest) << matrix.name;
      }
      for (uint64_t j = 0; j < matrix.width; ++j) {
        double sum = 0;
        for (uint64_t i = 0; i < matrix.rows; ++i) sum += double{b[i * kRank + r]} * g[i * matrix.width + j];
        ASSERT_NEAR(adapter.gradients.at(a_place)[r * matrix.width + j], scale * sum, 1e-4 * largest) << matrix.name;
      }
    }
  }
  EXPECT_EQ(matrices, 14) << "seven of each of two layers";
}

TEST_F(AdapterTest, ItAloneIsTrainedAndMergesIntoTheBase) {
  Made made = Make(true);
  const std::vector<float> before(made.parameters->values.all().begin(), made.parameters->values.all().end());
  const double first = made.trainer->Measure(*made.objective).loss;
  while (!made.trainer->Done()) ASSERT_TRUE(made.trainer->Step().ok());
  const double last = made.trainer->Measure(*made.objective).loss;
  EXPECT_LT(last, 0.8 * first);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), made.parameters->values.all().begin()));

  Merge(*made.adapter, *made.parameters);
  size_t changed = 0;
  for (const ParameterTensor& tensor : made.parameters->tensors()) {
    const bool adapted = tensor.decays && tensor.name.starts_with("blk.");
    bool same = true;
    for (uint64_t i = 0; i < tensor.rows * tensor.width; ++i)
      same = same && before[tensor.offset + i] == made.parameters->values.at(tensor.offset)[i];
    EXPECT_NE(same, adapted) << tensor.name;
    changed += same ? 0 : 1;
  }
  EXPECT_EQ(changed, 14u);
  made.network->Refresh();
  EXPECT_NEAR(made.trainer->Measure(*made.objective).loss, last, 1e-6) << "the merged model is the adapted one";
}

// What PEFT would add to a matrix, (alpha / r) · B·A of the file, is what is merged.
TEST_F(AdapterTest, IsExportedAsPeftReadsIt) {
  Made made = Make(true);
  while (!made.trainer->Done()) ASSERT_TRUE(made.trainer->Step().ok());
  const fs::path folder = fs::path(testing::TempDir()) / "adapter_peft";
  ASSERT_EQ(ExportAdapter(*made.adapter, made.network->shape(), "tiny", folder), absl::OkStatus());

  const Json config = Json::parse(ReadFile(folder / "adapter_config.json").value());
  EXPECT_EQ(config["peft_type"], "LORA");
  EXPECT_EQ(config["r"], kRank);
  EXPECT_EQ(config["task_type"], "CAUSAL_LM");
  EXPECT_EQ(config["target_modules"].size(), 7u);
  const auto file = SafetensorsFile::Open(folder / "adapter_model.safetensors");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->tensors().size(), 28u);
  const auto values = [&](const std::string& name) {
    const auto& tensors = (*file)->tensors();
    const auto found = std::ranges::find(tensors, "base_model.model.model.layers." + name, &GgufTensor::name);
    std::vector<float> read(found == tensors.end() ? 0 : found->elements());
    if (!read.empty()) Dequantise(*found, 0, read.size(), read.data());
    return read;
  };
  const auto a = values("1.self_attn.q_proj.lora_A.weight"), b = values("1.self_attn.q_proj.lora_B.weight");
  for (const ParameterTensor& tensor : made.parameters->tensors()) {
    if (tensor.name != "blk.1.attn_q.weight") continue;
    ASSERT_EQ(a.size(), kRank * tensor.width);
    ASSERT_EQ(b.size(), kRank * tensor.rows);
    const float* merged = made.adapter->Values(tensor.offset, tensor.rows * tensor.width);
    for (uint64_t i = 0; i < tensor.rows; ++i) {
      for (uint64_t j = 0; j < tensor.width; ++j) {
        double sum = made.parameters->values.at(tensor.offset)[i * tensor.width + j];
        for (uint64_t r = 0; r < kRank; ++r)
          sum += kAlpha / kRank * double{b[i * kRank + r]} * double{a[r * tensor.width + j]};
        ASSERT_NEAR(merged[i * tensor.width + j], sum, 1e-5) << i << " " << j;
      }
    }
  }
}

TEST_F(AdapterTest, GoesOnFromACheckpointWithTheSameBits) {
  const fs::path checkpoint = fs::path(testing::TempDir()) / "adapter_checkpoint";
  fs::remove_all(checkpoint);
  Made whole = Make(true), first = Make(true), second = Make(true);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(whole.trainer->Step().ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(first.trainer->Step().ok());
  ASSERT_TRUE(first.trainer->Save(checkpoint, "one").ok());
  ASSERT_TRUE(second.trainer->Load(checkpoint, "one").ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(second.trainer->Step().ok());
  const auto a = whole.adapter->values.all(), b = second.adapter->values.all();
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
}

}  // namespace
}  // namespace orrery::model
