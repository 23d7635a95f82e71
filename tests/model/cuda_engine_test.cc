// SPDX-License-Identifier: Apache-2.0
// A real model's generations by the whole engine on the CUDA device, run by the emulator: the processor's tokens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/cuda/emulator/emulated_device.h"
#include "model/engine.h"
#include "tests/model/models.h"

namespace orrery::model {
namespace {

using kernels::cuda::emulator::NewEmulatedDevice;
using kernels::cuda::emulator::Order;

std::filesystem::path SmolLm() {
  const auto file = OpenModel(kSmolLm);
  EXPECT_TRUE(file.ok()) << Message(file.status());
  return file.ok() ? (*file)->path() : std::filesystem::path();
}

EngineOptions Options(bool emulated) {
  EngineOptions options;
  options.precision = Precision::kFloat32;
  options.context_length = 128;
  options.kv_bytes = uint64_t{32} << 20;
  options.max_batch_rows = 32;
  if (emulated) {
    options.device = [](kernels::Type type) -> StatusOr<std::unique_ptr<kernels::Device>> {
      return NewEmulatedDevice(type, {Order::kShuffled, 3});
    };
  }
  return options;
}

void RunAll(Engine& engine, std::vector<Generation>& done) {
  while (!engine.Idle()) {
    auto finished = engine.Step();
    ASSERT_TRUE(finished.ok()) << Message(finished.status());
    for (Generation& generation : *finished) done.push_back(std::move(generation));
  }
}

// The second and third request begin with tokens that the first has left in the cache, and run together.
std::vector<Generation> Generate(Engine& engine) {
  std::vector<Generation> done;
  const std::string prompts[] = {"The capital of France is", "The capital of Italy is the city of"};
  for (uint64_t id = 0; id < 3; ++id) {
    GenerationRequest request;
    request.id = id;
    request.prompt = engine.tokenizer().Encode(prompts[id / 2], SpecialTokens::kPlain);
    request.max_new_tokens = 4;
    request.sampling.temperature = id == 1 ? 1.0f : 0.0f;
    request.random = {5, id};
    EXPECT_TRUE(engine.Submit(request).ok());
    if (id != 1) RunAll(engine, done);
  }
  std::sort(done.begin(), done.end(), [](const Generation& a, const Generation& b) { return a.id < b.id; });
  return done;
}

TEST(CudaEngine, GeneratesTheProcessorsTokens) {
  const auto emulated = Engine::Load(SmolLm(), Options(true));
  ASSERT_TRUE(emulated.ok()) << Message(emulated.status());
  const auto cpu = Engine::Load(SmolLm(), Options(false));
  ASSERT_TRUE(cpu.ok()) << Message(cpu.status());
  const std::vector<Generation> got = Generate(**emulated), want = Generate(**cpu);
  ASSERT_EQ(got.size(), 3u);
  ASSERT_EQ(want.size(), 3u);
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].tokens, want[i].tokens) << got[i].text << " for " << want[i].text;
    EXPECT_NEAR(got[i].log_probability, want[i].log_probability, 1e-3);
  }
  EXPECT_GT((*emulated)->Counters().prefix_tokens_reused, 0u);  // pages were shared or copied on the device
}

TEST(CudaEngine, ADeviceThatCannotBeMadeIsAnError) {
  EngineOptions options = Options(false);
  options.device = [](kernels::Type) -> StatusOr<std::unique_ptr<kernels::Device>> {
    return Unavailable("no such device");
  };
  EXPECT_THAT(Message(Engine::Load(SmolLm(), options).status()), ::testing::HasSubstr("no such device"));
}

}  // namespace
}  // namespace orrery::model
