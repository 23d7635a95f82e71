// SPDX-License-Identifier: Apache-2.0
// A whole small campaign with policy and preference model on CUDA devices, run by the emulator, through the batcher
// actors, with the real store, sandbox and grader: the same records in every order of the kernels' threads, and those
// of the reference that sums in the same order.
#include <gtest/gtest.h>

#include <filesystem>

#include "actors/system.h"
#include "base/digest.h"
#include "base/paths.h"
#include "kernels/cuda/emulator/emulated_device.h"
#include "kernels/reference/reference.h"
#include "kernels/thread_pool.h"
#include "tests/model/step_writer.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;
using kernels::Type;
using kernels::cuda::emulator::NewEmulatedDevice;
using kernels::cuda::emulator::Order;
using kernels::cuda::emulator::Schedule;
using NewDevice = std::function<StatusOr<std::unique_ptr<kernels::Device>>(Type)>;
using Json = nlohmann::json;

NewDevice Emulated(const Schedule& schedule) {
  return [schedule](Type type) { return NewEmulatedDevice(type, schedule); };
}

// On the ordered reference, which lives as long as the program.
NewDevice Ordered() {
  return [](Type type) {
    static kernels::ThreadPool pool(1);
    static const auto backend = kernels::reference::NewOrderedBackend(type);
    return NewHostDevice(*backend, pool);
  };
}

struct Models {
  fs::path policy = fs::path(testing::TempDir()) / "cuda_policy", ppm = fs::path(testing::TempDir()) / "cuda_ppm";
  Models() {
    const Json families = Json::parse(ReadFile(*DataFile("tests/model/golden/families.json")).value());
    model::WriteStepModel(families["qwen2"], 0, policy);
    model::WriteStepModel(families["llama3"], 2, ppm);
  }
};

std::shared_ptr<model::Engine> Load(const fs::path& folder, const NewDevice& device) {
  auto engine = model::Engine::Load(
      folder,
      {.precision = model::Precision::kFloat32, .kv_bytes = uint64_t{4} << 20, .max_batch_rows = 32, .device = device});
  EXPECT_TRUE(engine.ok()) << Message(engine.status());
  return *std::move(engine);
}

struct Played {
  actors::CampaignOutcome outcome;
  std::string digest;    // of all records
  uint64_t valid = 0;    // candidates …
  uint64_t scored = 0;   // … of which the preference model valued so many
  uint64_t answers = 0;  // candidates that end a rollout
  model::EngineCounters policy, ppm;
  std::vector<uint64_t> more_requests;  // of each further engine
  uint64_t reported = 0;                // requests that telemetry tells of
};

void Count(const store::Store& store, Played& played) {
  Sha256 hash;
  const Status walked = store.ForEachTree([&](std::string_view problem, const store::TreeChunk& tree) {
    hash.UpdateSized(problem);
    hash.UpdateSized(tree.bytes());
    for (const auto* expansion : *tree->expansions()) {
      for (const auto* candidate : *expansion->candidates()) {
        played.valid += candidate->valid();
        played.scored += candidate->score().has_value();
        played.answers += candidate->valid() && candidate->kind() == schema::StepKind::Answer;
      }
    }
    return true;
  });
  EXPECT_TRUE(walked.ok()) << Message(walked);
  played.digest = Hex(hash.Finish());
}

// The first of each kind of device, and further ones.
struct Devices {
  NewDevice policy, ppm;
  std::vector<NewDevice> more_policies = {}, more_ppms = {};
};

std::vector<std::shared_ptr<model::Engine>> LoadAll(const fs::path& folder, const std::vector<NewDevice>& devices) {
  std::vector<std::shared_ptr<model::Engine>> engines;
  for (const NewDevice& device : devices) engines.push_back(Load(folder, device));
  return engines;
}

Played Play(const Models& models, const Devices& devices) {
  const fs::path folder = fs::path(testing::TempDir()) / "cuda_campaign";
  fs::remove_all(folder);
  fs::create_directories(folder);
  const std::shared_ptr<store::Store> store = store::Store::Open(folder / "store", "fingerprint", "{}").value();
  const auto engine = Load(models.policy, devices.policy), ppm = Load(models.ppm, devices.ppm);
  const auto more_engines = LoadAll(models.policy, devices.more_policies),
             more_ppms = LoadAll(models.ppm, devices.more_ppms);
  auto problems = std::make_shared<std::vector<reasoning::Problem>>();
  for (int i = 0; i < 4; ++i) {
    problems->push_back({.id = std::to_string(i),
                         .question = "What is " + std::to_string(i) + "?",
                         .answer = std::to_string(i),
                         .source = "test"});
  }
  actors::Meters meters;
  auto context = std::make_shared<actors::CampaignContext>();
  context->rules = {
      .rollouts = 8, .candidates = 6, .temperature = 1, .max_depth = 5, .max_step_tokens = 6, .scored = true};
  context->prompt = reasoning::BuiltInPrompt(reasoning::PromptForm::kFineTuned);
  context->context_length = engine->context_length();
  context->tokenizer = &engine->tokenizer();
  context->ppm_tokenizer = &ppm->tokenizer();
  context->ppm_context_length = ppm->context_length();
  context->store = store.get();
  context->meters = &meters;
  auto telemetry = std::make_shared<actors::Telemetry>(&meters);
  Played played;
  played.outcome = actors::RunCampaign({.context = context,
                                        .problems = std::shared_ptr<const std::vector<reasoning::Problem>>(problems),
                                        .engine = engine,
                                        .ppm = ppm,
                                        .more_engines = more_engines,
                                        .more_ppms = more_ppms,
                                        .sandboxes = {sandbox::Sandbox::Start({.python = PythonEnvironment()}).value()},
                                        .graders = {reasoning::Grader::Create({.python = PythonEnvironment()}).value()},
                                        .store = store,
                                        .telemetry = telemetry,
                                        .telemetry_file = folder / "telemetry.jsonl",
                                        .live_trees = 3,
                                        .threads = 2},
                                       [] { return false; });
  Count(*store, played);
  played.policy = engine->Counters();
  played.ppm = ppm->Counters();
  for (const auto& other : more_engines) played.more_requests.push_back(other->Counters().requests);
  for (const auto& other : more_ppms) played.more_requests.push_back(other->Counters().requests);
  played.reported = telemetry->engine()->requests();
  return played;
}

TEST(CudaCampaign, TheSameRecordsInEveryOrderOfThreadsAndOnSeveralDevices) {
  const Models models;
  const Played one = Play(models, {Emulated({Order::kForward, 0}), Emulated({Order::kReverse, 0})});
  EXPECT_EQ(one.outcome.failure, "");
  EXPECT_EQ(one.outcome.done, 4u);
  EXPECT_GT(one.valid, 10u);
  EXPECT_EQ(one.scored, one.valid) << "every valid step is valued";
  EXPECT_GT(one.answers, 0u);
  EXPECT_GT(one.policy.prefix_tokens_reused, 100u);
  EXPECT_GT(one.ppm.scored, 10u);
  EXPECT_EQ(one.reported, one.policy.requests);

  const Played two = Play(models, {Emulated({Order::kShuffled, 1}),
                                   Emulated({Order::kShuffled, 2}),
                                   {Emulated({Order::kShuffled, 3})},
                                   {Emulated({Order::kReverse, 0}), Emulated({Order::kForward, 0})}});
  EXPECT_EQ(two.digest, one.digest);
  ASSERT_EQ(two.more_requests.size(), 3u);
  EXPECT_GT(two.more_requests[0], 0u) << "the second policy's device had work";
  EXPECT_EQ(two.reported, two.policy.requests + two.more_requests[0]);
  EXPECT_GT(two.more_requests[1] + two.more_requests[2], 0u) << "the further preference models' too";

  EXPECT_EQ(Play(models, {Ordered(), Ordered()}).digest, one.digest) << "those of the reference";
}

}  // namespace
}  // namespace orrery
