// SPDX-License-Identifier: Apache-2.0
// Thousands of random schedules on tiny models: requests that share prefixes arrive at random moments among random
// neighbours, in batches of any size, on caches from one request's room upwards, some of them cancelled. Each gives the
// bits that it gives alone.
//
// ORRERY_SCHEDULES is their number for each model and precision; ORRERY_FUZZ_SECONDS lets all together be tried for so
// long, whatever the number; ORRERY_FUZZ_SEED is the first seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>

#include "base/paths.h"
#include "model/engine.h"
#include "tests/model/fuzz.h"
#include "tests/model/tiny_model.h"

namespace orrery::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using fuzz::FromEnvironment;

constexpr int kRequests = 96;
constexpr int kVocabulary = 96;
constexpr uint64_t kPage = 32 * 2 * 2 * 16 * 2 * sizeof(float);  // tokens, keys and values, heads, width, layers

// Prompts that begin with one of a few stems, themselves beginnings of each other, and go on by themselves.
std::vector<GenerationRequest> Requests(std::mt19937_64& random) {
  std::vector<TokenId> stem;
  for (int i = 0; i < 90; ++i) stem.push_back(static_cast<TokenId>(random() % kVocabulary));
  std::vector<GenerationRequest> requests(kRequests);
  for (size_t i = 0; i < requests.size(); ++i) {
    GenerationRequest& request = requests[i];
    request.id = i;
    request.prompt.assign(stem.begin(), stem.begin() + static_cast<ptrdiff_t>(random() % 4 * 30));
    for (uint64_t more = 1 + random() % 20; more > 0; --more)
      request.prompt.push_back(static_cast<TokenId>(random() % kVocabulary));
    request.max_new_tokens = static_cast<int>(1 + random() % 10);
    if (random() % 2 == 0) request.sampling = {.temperature = 1.0f, .top_p = 0.9f, .top_k = 40};
    if (random() % 4 == 0) request.stops = {"#", "A!"};
    request.random = {random(), i};
    // Siblings: the same prompt with other draws.
    if (i > 0 && random() % 5 == 0) request.prompt = requests[i - 1].prompt;
  }
  return requests;
}

struct Made {
  int threads, rows;
  uint64_t pages;
};

class Schedules : public ::testing::TestWithParam<std::tuple<std::string, Precision>> {
 protected:
  void SetUp() override {
    const Json golden = Json::parse(ReadFile(*DataFile("tests/model/golden/families.json")).value());
    const auto& [family, precision] = GetParam();
    TinyModel model(golden[family]["config"], golden[family]["tensors"]);
    model.tokenizer = CharacterTokenizer(kVocabulary);
    folder_ = fs::path(testing::TempDir()) / fmt::format("schedules_{}_{}", family, static_cast<int>(precision));
    model.Write(folder_);
    random_.seed(FromEnvironment("ORRERY_FUZZ_SEED", 1));
    requests_ = Requests(random_);
    for (const GenerationRequest& request : requests_) {
      const auto engine = Load({1, 128, 16});
      ASSERT_TRUE(engine->Submit(request).ok());
      while (!engine->Idle()) Take(*engine, alone_);
    }
    ASSERT_EQ(alone_.size(), requests_.size());
  }

  std::unique_ptr<Engine> Load(const Made& made) const {
    EngineOptions options;
    options.precision = std::get<1>(GetParam());
    options.threads = made.threads;
    options.max_batch_rows = made.rows;
    options.kv_bytes = made.pages * kPage;
    auto engine = Engine::Load(folder_, options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return *std::move(engine);
  }

  static void Take(Engine& engine, std::map<uint64_t, Generation>& results) {
    auto finished = engine.Step();
    ASSERT_TRUE(finished.ok()) << finished.status();
    for (Generation& generation : *finished) results[generation.id] = std::move(generation);
  }

  uint64_t Below(uint64_t limit) { return random_() % limit; }

  // Some of the requests in any order, at any moments; of every tenth the asker goes away again.
  std::map<uint64_t, Generation> Run(Engine& engine) {
    std::vector<size_t> order(requests_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random_);
    order.resize(1 + Below(40));
    const uint64_t pause = Below(4);
    std::map<uint64_t, Generation> results;
    for (size_t next = 0; next < order.size() || !engine.Idle();) {
      for (uint64_t burst = 1 + Below(8); burst > 0 && next < order.size(); --burst) {
        EXPECT_TRUE(engine.Submit(requests_[order[next++]]).ok());
        if (Below(10) == 0) engine.Cancel(order[Below(next)]);
      }
      for (uint64_t step = 0; step <= pause && !engine.Idle(); ++step) Take(engine, results);
    }
    return results;
  }

  // How many requests were compared.
  size_t ExpectAlone(const std::map<uint64_t, Generation>& results, const std::string& what) const {
    for (const auto& [id, result] : results) {
      const Generation& alone = alone_.at(id);
      EXPECT_EQ(result.tokens, alone.tokens) << what << ", request " << id;
      EXPECT_EQ(result.text, alone.text) << what << ", request " << id;
      EXPECT_TRUE(std::ranges::equal(result.log_probabilities, alone.log_probabilities,
                                     [](double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }))
          << what << ", request " << id;
    }
    return results.size();
  }

  fs::path folder_;
  std::mt19937_64 random_;
  std::vector<GenerationRequest> requests_;
  std::map<uint64_t, Generation> alone_;
};

TEST_P(Schedules, GiveTheBitsOfEachRequestAlone) {
  const Made kinds[] = {{1, 3, 5}, {2, 17, 12}, {8, 64, 40}, {2, 256, 400}};
  std::vector<std::unique_ptr<Engine>> engines;
  for (const Made& made : kinds) engines.push_back(Load(made));
  const fuzz::Budget budget(FromEnvironment("ORRERY_SCHEDULES", 400),
                            static_cast<uint64_t>(testing::UnitTest::GetInstance()->test_to_run_count()));
  size_t compared = 0, schedules = 0;
  uint64_t evicted = 0, reused = 0;  // by engines of little and of much room
  const auto count = [&](size_t kind) {
    if (kind < 2) evicted += engines[kind]->Counters().pages_evicted;
    if (kind == 3) reused += engines[kind]->Counters().prefix_tokens_reused;
  };
  while (budget.Allows(schedules) && !HasFailure()) {
    const size_t kind = Below(std::size(kinds));
    // A new engine now and then, so that cold caches are tried as well.
    if (Below(20) == 0) {
      count(kind);
      engines[kind] = Load(kinds[kind]);
    }
    const std::string what = fmt::format("schedule {} on engine {}", schedules++, kind);
    compared += ExpectAlone(Run(*engines[kind]), what);
  }
  EXPECT_GT(compared, 10 * schedules);
  for (size_t kind = 0; kind < engines.size(); ++kind) count(kind);
  EXPECT_GT(evicted, 0u);
  EXPECT_GT(reused, 0u);
  RecordProperty("schedules", static_cast<int>(schedules));
}

std::string NameOf(const ::testing::TestParamInfo<Schedules::ParamType>& info) {
  constexpr const char* kNames[] = {"bfloat16", "float32", "int8"};
  return std::get<0>(info.param) + "_" + kNames[static_cast<size_t>(std::get<1>(info.param))];
}

INSTANTIATE_TEST_SUITE_P(Tiny, Schedules,
                         ::testing::Combine(::testing::Values("qwen2", "mistral", "llama3"),
                                            ::testing::Values(Precision::kFloat32, Precision::kBfloat16,
                                                              Precision::kInt8)),
                         NameOf);

}  // namespace
}  // namespace orrery::model
