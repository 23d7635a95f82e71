// SPDX-License-Identifier: Apache-2.0
// What a request generates, its log-probability to the last bit included, does not depend on its neighbours, on its
// place among them, on the number of threads, on how its prompt is cut into batches, or on what the cache holds. Run
// once per instruction set (BUILD).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "model/engine.h"
#include "tests/model/models.h"

namespace orrery::model {
namespace {

constexpr int kNewTokens = 12;
// About eight pages in bfloat16: enough for one request at a time.
constexpr uint64_t kSmallCache = 6 << 20;

struct Result {
  std::vector<TokenId> tokens;
  double log_probability;
  bool operator==(const Result&) const = default;
};

std::unique_ptr<Engine> LoadEngine(Precision precision, int threads, int rows, uint64_t kv_bytes) {
  const auto file = OpenModel(kSmolLm);
  EXPECT_TRUE(file.ok()) << file.status();
  EngineOptions options;
  options.precision = precision;
  options.threads = threads;
  options.max_batch_rows = rows;
  options.kv_bytes = kv_bytes;
  auto engine = Engine::Load((*file)->path(), options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return *std::move(engine);
}

// Prompts of many lengths; 1 to 4 share their first 70 tokens or so, 5 is a sibling of 4 (same prompt, other random
// numbers).
std::vector<GenerationRequest> Requests(const Engine& engine) {
  std::string shared = "The following is a list of things that were found in the old house by the lake:";
  for (int i = 0; i < 6; ++i) shared += " a lamp, two chairs, an old map of the coast,";
  const std::vector<std::string> texts = {
      "Hi",
      shared + " a bell",
      shared + " a broken clock and",
      shared,
      shared + " and more things that nobody had seen for many years, such as",
      shared + " and more things that nobody had seen for many years, such as",
      "def add(a, b):\n    return",
      "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32"};
  std::vector<GenerationRequest> requests;
  for (size_t i = 0; i < texts.size(); ++i) {
    GenerationRequest request;
    request.id = i;
    request.prompt = engine.tokenizer().Encode(texts[i], SpecialTokens::kPlain);
    request.max_new_tokens = kNewTokens;
    if (i % 2 == 1) request.sampling = {.temperature = 1.0f, .top_p = 0.95f};
    if (i == 4) request.sampling.temperature = 0.7f;
    request.random = {17, i};
    requests.push_back(std::move(request));
  }
  return requests;
}

std::map<uint64_t, Result> RunAll(Engine& engine, const std::vector<GenerationRequest>& requests) {
  for (const auto& request : requests) EXPECT_TRUE(engine.Submit(request).ok());
  std::map<uint64_t, Result> results;
  while (!engine.Idle()) {
    const auto finished = engine.Step();
    EXPECT_TRUE(finished.ok()) << finished.status();
    if (!finished.ok()) break;
    for (const Generation& g : *finished) results[g.id] = {g.tokens, g.log_probability};
  }
  return results;
}

class InvarianceTest : public ::testing::TestWithParam<Precision> {
 protected:
  // Each request by itself: one thread, an empty cache. Computed once per precision.
  void SetUp() override {
    static std::map<Precision, std::pair<std::vector<GenerationRequest>, std::map<uint64_t, Result>>> known;
    auto& [requests, expected] = known[GetParam()];
    if (expected.empty()) {
      auto engine = LoadEngine(GetParam(), 1, 256, GetParam() == Precision::kFloat32 ? 2 * kSmallCache : kSmallCache);
      requests = Requests(*engine);
      for (size_t i = 0; i < requests.size(); ++i) {
        // Those with prefixes in common must not meet a warm cache: fill it with something else in between.
        if (i > 0) Flush(*engine, i);
        const uint64_t reused = engine->Counters().prefix_tokens_reused;
        expected.merge(RunAll(*engine, {requests[i]}));
        ASSERT_EQ(engine->Counters().prefix_tokens_reused, reused) << "the cache was not cold";
      }
    }
    ASSERT_EQ(expected.size(), requests.size());
    requests_ = requests;
    expected_ = expected;
  }

  // Takes every page of the cache for a prompt that has nothing in common with the others.
  static void Flush(Engine& engine, size_t salt) {
    const uint64_t most = std::min<uint64_t>(engine.Counters().pages_total * 32, engine.context_length());
    GenerationRequest request;
    request.prompt.assign(most - 1, static_cast<TokenId>(1000 + salt));
    request.max_new_tokens = 1;
    RunAll(engine, {request});
  }

  void ExpectAll(const std::map<uint64_t, Result>& actual, const char* what) {
    for (const auto& [id, result] : actual) {
      if (!expected_.contains(id)) continue;
      EXPECT_EQ(result.tokens, expected_[id].tokens) << what << ", request " << id;
      EXPECT_EQ(std::memcmp(&result.log_probability, &expected_[id].log_probability, sizeof(double)), 0)
          << what << ", request " << id << ": " << result.log_probability << " and " << expected_[id].log_probability;
    }
  }

  // More requests, whose ids are from 100 on, of lengths that shift the others' rows.
  std::vector<GenerationRequest> Neighbours(int count) const {
    std::vector<GenerationRequest> neighbours;
    for (int i = 0; i < count; ++i) {
      GenerationRequest request = requests_[static_cast<size_t>(i) % requests_.size()];
      request.prompt.insert(
          request.prompt.begin() + (i % 3 == 0 ? 0 : static_cast<ptrdiff_t>(request.prompt.size() / 2)), 300 + i);
      request.id = static_cast<uint64_t>(100 + i);
      request.max_new_tokens = 3 + i % 15;
      request.random.stream = request.id;
      neighbours.push_back(std::move(request));
    }
    return neighbours;
  }

  std::vector<GenerationRequest> requests_;
  std::map<uint64_t, Result> expected_;
};

TEST_P(InvarianceTest, ThreadsNeighboursAndCuts) {
  struct Case {
    int threads, rows, neighbours;
    bool reversed;
  };
  for (const Case& c : {Case{2, 256, 21, false}, {8, 256, 5, true}, {2, 7, 2, false}, {1, 33, 9, true}}) {
    const auto engine = LoadEngine(GetParam(), c.threads, c.rows, uint64_t{64} << 20);
    auto all = Neighbours(c.neighbours);
    all.insert(all.begin() + static_cast<ptrdiff_t>(all.size() / 2), requests_.begin(), requests_.end());
    if (c.reversed) std::reverse(all.begin(), all.end());
    const std::string what = fmt::format("{} threads, {} rows, {} neighbours", c.threads, c.rows, c.neighbours);
    ExpectAll(RunAll(*engine, all), what.c_str());
    ExpectAll(RunAll(*engine, requests_), (what + ", warm").c_str());
  }
}

TEST_P(InvarianceTest, EvictionsAndRequestsThatArriveMidway) {
  // Pages for two or three requests at a time.
  const auto engine = LoadEngine(GetParam(), 2, 64, (GetParam() == Precision::kFloat32 ? 4 : 2) * kSmallCache);
  auto all = requests_;
  const auto neighbours = Neighbours(12);
  all.insert(all.end(), neighbours.begin(), neighbours.end());
  std::map<uint64_t, Result> results;
  size_t next = 0;
  for (int step = 0; next < all.size() || !engine->Idle(); ++step) {
    if (step % 3 == 0 && next < all.size()) {
      EXPECT_TRUE(engine->Submit(all[next++]).ok());
    }
    const auto finished = engine->Step();
    ASSERT_TRUE(finished.ok()) << finished.status();
    for (const Generation& g : *finished) results[g.id] = {g.tokens, g.log_probability};
  }
  EXPECT_EQ(results.size(), all.size());
  EXPECT_GT(engine->Counters().pages_evicted, 0u);
  ExpectAll(results, "small cache");
}

TEST_P(InvarianceTest, AChildOnItsParentsPages) {
  const auto engine = LoadEngine(GetParam(), 2, 256, uint64_t{64} << 20);
  const Result parent = RunAll(*engine, {requests_[4]})[4];
  GenerationRequest child = requests_[4];
  child.prompt.insert(child.prompt.end(), parent.tokens.begin(), parent.tokens.end());
  child.id = 50;
  const uint64_t reused = engine->Counters().prefix_tokens_reused;
  const Result warm = RunAll(*engine, {child})[50];
  EXPECT_EQ(engine->Counters().prefix_tokens_reused - reused, child.prompt.size() - 1);
  const auto other = LoadEngine(GetParam(), 1, 50, uint64_t{64} << 20);
  EXPECT_EQ(warm, RunAll(*other, {child})[50]);
}

TEST_P(InvarianceTest, LogitsOfAPromptInPieces) {
  const auto whole = LoadEngine(GetParam(), 2, 256, uint64_t{64} << 20),
             pieces = LoadEngine(GetParam(), 1, 5, uint64_t{64} << 20);
  const auto a = whole->Logits(requests_[2].prompt), b = pieces->Logits(requests_[2].prompt);
  ASSERT_TRUE(a.ok() && b.ok());
  ASSERT_EQ(a->size(), b->size());
  EXPECT_EQ(std::memcmp(a->data(), b->data(), a->size() * sizeof(float)), 0);
}

std::string PrecisionName(const ::testing::TestParamInfo<Precision>& info) {
  constexpr const char* kNames[] = {"bfloat16", "float32", "int8"};
  return kNames[static_cast<int>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Precisions, InvarianceTest,
                         ::testing::Values(Precision::kBfloat16, Precision::kFloat32, Precision::kInt8), PrecisionName);

}  // namespace
}  // namespace orrery::model
