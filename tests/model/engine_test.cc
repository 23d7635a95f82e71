// SPDX-License-Identifier: Apache-2.0
// The engine against transformers' tokens and logits from the same files (golden/make_logits_golden.py), and what it
// refuses.
#include "model/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/paths.h"
#include "tests/model/models.h"

namespace orrery::model {
namespace {

using Json = nlohmann::json;
using Tokens = std::vector<TokenId>;
using ::testing::HasSubstr;

std::filesystem::path ModelFile(std::string_view name) {
  const auto file = OpenModel(name);
  EXPECT_TRUE(file.ok()) << file.status();
  return file.ok() ? (*file)->path() : std::filesystem::path();
}

std::unique_ptr<Engine> LoadEngine(std::string_view model, Precision precision,
                                   uint64_t kv_bytes = uint64_t{256} << 20) {
  EngineOptions options;
  options.precision = precision;
  options.threads = 2;
  options.kv_bytes = kv_bytes;
  auto engine = Engine::Load(ModelFile(model), options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

std::vector<Generation> RunAll(Engine& engine) {
  std::vector<Generation> all;
  while (!engine.Idle()) {
    auto finished = engine.Step();
    EXPECT_TRUE(finished.ok()) << finished.status();
    if (!finished.ok()) break;
    for (Generation& generation : *finished) all.push_back(std::move(generation));
  }
  std::sort(all.begin(), all.end(), [](const Generation& a, const Generation& b) { return a.id < b.id; });
  return all;
}

Generation RunOne(Engine& engine, GenerationRequest request) {
  const Status status = engine.Submit(std::move(request));
  EXPECT_TRUE(status.ok()) << status;
  auto all = RunAll(engine);
  EXPECT_EQ(all.size(), 1u);
  return all.at(0);
}

Json Golden(std::string_view model) {
  const auto path = DataFile(fmt::format("tests/model/golden/logits_{}.json", model));
  EXPECT_TRUE(path.ok()) << path.status();
  std::ifstream file(*path);
  return Json::parse(file);
}

const float* LastRow(const std::vector<float>& logits, size_t rows) {
  return &logits[logits.size() / rows * (rows - 1)];
}

class GoldenTest : public ::testing::TestWithParam<std::string_view> {};

TEST_P(GoldenTest, GreedyTokensInFloat32AreThoseOfTransformers) {
  const Json golden = Golden(GetParam());
  ASSERT_EQ(golden.size(), 20u);
  const auto engine = LoadEngine(GetParam(), Precision::kFloat32);
  ASSERT_NE(engine, nullptr);
  for (size_t i = 0; i < golden.size(); ++i) {
    GenerationRequest request;
    request.id = i;
    request.prompt = golden[i]["prompt"].get<Tokens>();
    request.max_new_tokens = 64;
    ASSERT_TRUE(engine->Submit(request).ok());
  }
  const auto generations = RunAll(*engine);
  ASSERT_EQ(generations.size(), golden.size());
  for (size_t i = 0; i < golden.size(); ++i) {
    auto expected = golden[i]["tokens"].get<Tokens>();
    ASSERT_EQ(expected.size(), 64u);
    const Tokens& actual = generations[i].tokens;
    ASSERT_EQ(actual, Tokens(expected.begin(), expected.begin() + static_cast<ptrdiff_t>(actual.size())))
        << "prompt " << i;
    if (actual.size() == expected.size()) continue;
    // Ours ended with its text; the golden ones go on. Those are checked one by one after the golden tokens before
    // them.
    ASSERT_EQ(generations[i].reason, FinishReason::kEndOfText);
    auto context = golden[i]["prompt"].get<Tokens>();
    const size_t prompt = context.size();
    context.insert(context.end(), expected.begin(), expected.end() - 1);
    const auto logits = engine->Logits(context);
    ASSERT_TRUE(logits.ok()) << logits.status();
    const size_t width = logits->size() / context.size();
    for (size_t j = 0; j < expected.size(); ++j) {
      const auto row = logits->begin() + static_cast<ptrdiff_t>((prompt - 1 + j) * width);
      ASSERT_EQ(std::max_element(row, row + static_cast<ptrdiff_t>(width)) - row, expected[j])
          << "prompt " << i << ", token " << j;
    }
  }
}

TEST_P(GoldenTest, LogitsInFloat32AreThoseOfTransformers) {
  const auto engine = LoadEngine(GetParam(), Precision::kFloat32);
  ASSERT_NE(engine, nullptr);
  int compared = 0;
  for (const Json& item : Golden(GetParam())) {
    if (!item.contains("top")) continue;
    const auto prompt = item["prompt"].get<Tokens>();
    const auto logits = engine->Logits(prompt);
    ASSERT_TRUE(logits.ok()) << logits.status();
    const float* row = LastRow(*logits, prompt.size());
    for (const Json& top : item["top"]) {
      ASSERT_NEAR(row[top[0].get<size_t>()], top[1].get<float>(), 2e-3);
      ++compared;
    }
    for (size_t i = 0; i < item["every_997th"].size(); ++i) {
      ASSERT_NEAR(row[i * 997], item["every_997th"][i].get<float>(), 2e-3);
      ++compared;
    }
  }
  EXPECT_GT(compared, 500);
}

// `near`: of the largest logits.
void ExpectNear(std::string_view model, Precision precision, float near) {
  const auto engine = LoadEngine(model, precision);
  ASSERT_NE(engine, nullptr);
  for (const Json& item : Golden(model)) {
    if (!item.contains("top")) continue;
    const auto prompt = item["prompt"].get<Tokens>();
    const auto logits = engine->Logits(prompt);
    ASSERT_TRUE(logits.ok()) << logits.status();
    const float* row = LastRow(*logits, prompt.size());
    for (const Json& top : item["top"]) ASSERT_NEAR(row[top[0].get<size_t>()], top[1].get<float>(), near);
  }
}

TEST_P(GoldenTest, Bfloat16StaysNear) { ExpectNear(GetParam(), Precision::kBfloat16, 0.35f); }
TEST_P(GoldenTest, Int8StaysNear) { ExpectNear(GetParam(), Precision::kInt8, 3.0f); }

INSTANTIATE_TEST_SUITE_P(Models, GoldenTest, ::testing::Values(kSmolLm, kQwen),
                         [](const auto& info) { return info.param == kSmolLm ? "Llama" : "Qwen2"; });

class EngineTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { engine_ = LoadEngine(kSmolLm, Precision::kBfloat16, uint64_t{64} << 20).release(); }
  static void TearDownTestSuite() { delete engine_; }

  static GenerationRequest Ask(std::string_view text, int tokens) {
    GenerationRequest request;
    request.prompt = engine_->tokenizer().Encode(text, SpecialTokens::kParse);
    request.max_new_tokens = tokens;
    return request;
  }

  static Engine* engine_;
};

Engine* EngineTest::engine_ = nullptr;

TEST_F(EngineTest, LengthEndsARequest) {
  const Generation generation = RunOne(*engine_, Ask("Once upon a time", 9));
  EXPECT_EQ(generation.tokens.size(), 9u);
  EXPECT_EQ(generation.reason, FinishReason::kLength);
  EXPECT_EQ(generation.text, engine_->tokenizer().Decode(generation.tokens));
  EXPECT_LT(generation.log_probability, 0);
}

TEST_F(EngineTest, AStopEndsARequestAndIsCutOff) {
  const Generation plain = RunOne(*engine_, Ask("Once upon a time", 30));
  ASSERT_GT(plain.text.size(), 25u);
  GenerationRequest request = Ask("Once upon a time", 30);
  request.stops = {"not in there at all", plain.text.substr(11, 12)};
  const size_t cut = std::min(plain.text.find(request.stops[1]), size_t{11});
  const Generation stopped = RunOne(*engine_, request);
  EXPECT_EQ(stopped.reason, FinishReason::kStop);
  EXPECT_EQ(stopped.stop, request.stops[1]);
  EXPECT_EQ(stopped.text, plain.text.substr(0, cut));
  EXPECT_LT(stopped.tokens.size(), plain.tokens.size());
  EXPECT_TRUE(std::equal(stopped.tokens.begin(), stopped.tokens.end(), plain.tokens.begin()));
}

TEST_F(EngineTest, EndOfTextEndsARequest) {
  const Generation generation =
      RunOne(*engine_, Ask("<|im_start|>user\nSay just the word yes.<|im_end|>\n<|im_start|>assistant\n", 200));
  EXPECT_EQ(generation.reason, FinishReason::kEndOfText);
  EXPECT_TRUE(engine_->tokenizer().IsEndOfText(generation.tokens.back()));
  EXPECT_THAT(generation.text, ::testing::Not(HasSubstr("<|im_end|>")));
}

TEST_F(EngineTest, LogProbabilityIsTheSumOverTheLogits) {
  GenerationRequest request = Ask("The river", 12);
  request.sampling = {.temperature = 1.2f, .top_p = 0.9f};
  request.random = {3, 4};
  const Generation generation = RunOne(*engine_, request);
  Tokens all = request.prompt;
  all.insert(all.end(), generation.tokens.begin(), generation.tokens.end());
  const auto logits = engine_->Logits(all);
  ASSERT_TRUE(logits.ok());
  const size_t width = logits->size() / all.size();
  double sum = 0;
  for (size_t i = request.prompt.size(); i < all.size(); ++i) {
    const float* row = &(*logits)[(i - 1) * width];
    double total = 0;
    for (size_t t = 0; t < width; ++t) total += std::exp(double{row[t]} - row[all[i]]);
    sum -= std::log(total);
  }
  EXPECT_NEAR(generation.log_probability, sum, 1e-4);
}

TEST_F(EngineTest, IdenticalRequestsAreComputedOnce) {
  const EngineCounters before = engine_->Counters();
  for (uint64_t id = 0; id < 3; ++id) {
    GenerationRequest request = Ask("A greedy request about winter", 6);
    request.id = id;
    request.random = {id, id};  // a greedy one has no use for it
    ASSERT_TRUE(engine_->Submit(request).ok());
    request.id = 10 + id;
    request.sampling.temperature = 1;
    ASSERT_TRUE(engine_->Submit(request).ok());
  }
  const auto generations = RunAll(*engine_);
  ASSERT_EQ(generations.size(), 6u);
  EXPECT_EQ(engine_->Counters().requests_coalesced - before.requests_coalesced, 2u);
  EXPECT_EQ(engine_->Counters().requests - before.requests, 6u);
  EXPECT_EQ(generations[0].tokens, generations[2].tokens);
  EXPECT_NE(generations[3].tokens, generations[4].tokens);
}

TEST_F(EngineTest, SiblingsReadTheirPromptOnce) {
  std::string text = "A story about siblings who share a prompt.";
  for (int i = 0; i < 20; ++i) text += " They went for a long walk in the woods.";
  const EngineCounters before = engine_->Counters();
  const size_t prompt = Ask(text, 1).prompt.size();
  for (uint64_t id = 0; id < 8; ++id) {
    GenerationRequest request = Ask(text, 4);
    request.sampling.temperature = 1;
    request.random = {1, id};
    request.id = id;
    ASSERT_TRUE(engine_->Submit(request).ok());
  }
  EXPECT_EQ(RunAll(*engine_).size(), 8u);
  const EngineCounters after = engine_->Counters();
  EXPECT_LE(after.prompt_rows - before.prompt_rows, prompt + 7);  // the last token of each gives its logits
  // Seven read all but their last token from the first; the first itself may find a token or two that an earlier test
  // left in the cache.
  const uint64_t reused = after.prefix_tokens_reused - before.prefix_tokens_reused;
  EXPECT_GE(reused, 7 * (prompt - 1));
  EXPECT_LT(reused, 7 * (prompt - 1) + 8);
  EXPECT_EQ(after.tokens_generated - before.tokens_generated, 32u);
}

TEST_F(EngineTest, MoreThanTheCacheHoldsAtOnceStillFinishes) {
  const EngineCounters before = engine_->Counters();
  for (uint64_t id = 0; id < 60; ++id) {
    GenerationRequest request = Ask(
        fmt::format("Number {} of many different prompts, each of some length: {}{}{}", id, id * 7, id * 31, id), 100);
    request.id = id;
    request.stops = {"\n"};
    ASSERT_TRUE(engine_->Submit(request).ok());
  }
  EXPECT_EQ(RunAll(*engine_).size(), 60u);
  EXPECT_TRUE(engine_->Idle());
  EXPECT_GT(engine_->Counters().pages_evicted, before.pages_evicted);
}

TEST_F(EngineTest, CancelledRequestsLeaveTheirNeighboursAsTheyAre) {
  std::string shared = "A prompt that takes more than one page, so that others wait for it while it is read.";
  for (int i = 0; i < 30; ++i) shared += " And then it went on and on.";
  const auto ask = [&](uint64_t id) {
    GenerationRequest request = Ask(fmt::format("{} {}", shared, id % 3), 20);
    request.id = id;
    request.sampling.temperature = 1;
    request.random = {7, id};
    return request;
  };
  std::vector<Generation> alone;
  for (const uint64_t id : {1u, 4u, 5u}) alone.push_back(RunOne(*engine_, ask(id)));

  const EngineCounters before = engine_->Counters();
  // 0: at once; 2: while prompts are being read; 3: while it writes; 6: one of two that share a computation; 99:
  // unknown.
  for (uint64_t id = 0; id < 6; ++id) ASSERT_TRUE(engine_->Submit(ask(id)).ok());
  GenerationRequest twin = ask(5);
  twin.id = 6;
  ASSERT_TRUE(engine_->Submit(twin).ok());
  engine_->Cancel(0);
  std::vector<Generation> all;
  for (int step = 0; !engine_->Idle(); ++step) {
    if (step == 1) engine_->Cancel(2);
    if (step == 8) engine_->Cancel(3), engine_->Cancel(6), engine_->Cancel(99);
    auto finished = engine_->Step();
    ASSERT_TRUE(finished.ok()) << finished.status();
    all.insert(all.end(), finished->begin(), finished->end());
  }
  ASSERT_EQ(all.size(), alone.size());
  std::sort(all.begin(), all.end(), [](const Generation& a, const Generation& b) { return a.id < b.id; });
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].id, alone[i].id);
    EXPECT_EQ(all[i].tokens, alone[i].tokens);
    EXPECT_EQ(all[i].log_probabilities, alone[i].log_probabilities);
  }
  EXPECT_LT(engine_->Counters().tokens_generated - before.tokens_generated, 5 * 20u) << "cancelled ones went on";
  // Nothing is held: a request that needs nearly the whole cache finds room.
  EXPECT_EQ(RunOne(*engine_, Ask("x", 2000)).id, 0u);
}

TEST_F(EngineTest, AListenerHearsEveryTokenWhenItIsSampled) {
  Tokens heard;
  std::vector<double> log_probabilities;
  GenerationRequest request = Ask("Once upon a time", 9);
  ASSERT_TRUE(engine_->Submit(request).ok());
  request.id = 1;
  request.on_token = [&](TokenId token, double log_probability) {
    heard.push_back(token);
    log_probabilities.push_back(log_probability);
  };
  ASSERT_TRUE(engine_->Submit(request).ok());
  ASSERT_TRUE(engine_->Step().ok());
  while (heard.empty()) ASSERT_TRUE(engine_->Step().ok());
  EXPECT_EQ(heard.size(), 1u) << "told at the end only";
  const auto all = RunAll(*engine_);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(heard, all[0].tokens);
  EXPECT_EQ(heard, all[1].tokens);
  EXPECT_EQ(log_probabilities, all[0].log_probabilities);
  EXPECT_EQ(std::accumulate(log_probabilities.begin(), log_probabilities.end(), 0.0), all[1].log_probability);
}

TEST_F(EngineTest, RefusesWhatCannotBeDone) {
  const auto refused = [](GenerationRequest request) {
    const Status status = engine_->Submit(std::move(request));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return Message(status);
  };
  GenerationRequest request = Ask("x", 5);
  request.prompt.clear();
  EXPECT_THAT(refused(request), HasSubstr("without a prompt"));
  request = Ask("x", 0);
  EXPECT_THAT(refused(request), HasSubstr("max_new_tokens"));
  request = Ask("x", 100000);
  EXPECT_THAT(refused(request), HasSubstr("do not fit the context"));
  request = Ask("x", 6000);
  EXPECT_THAT(refused(request), HasSubstr("do not fit the KV cache"));
  request = Ask("x", 5);
  request.prompt.push_back(49152);
  EXPECT_THAT(refused(request), HasSubstr("token 49152"));
  request = Ask("x", 5);
  request.stops = {""};
  EXPECT_THAT(refused(request), HasSubstr("empty stop"));
  request = Ask("x", 5);
  request.sampling.temperature = -1;
  EXPECT_THAT(refused(request), HasSubstr("temperature"));
  request = Ask("x", 5);
  request.sampling.top_p = 0;
  EXPECT_THAT(refused(request), HasSubstr("top_p"));
  EXPECT_TRUE(engine_->Idle());
}

TEST(EngineLoad, SaysHowMuchMemoryIsNeeded) {
  EngineOptions options;
  options.kv_bytes = uint64_t{1} << 46;
  const auto engine = Engine::Load(ModelFile(kSmolLm), options);
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(engine.status()), HasSubstr("GiB are available"));
}

TEST(EngineLoad, RefusesBadOptions) {
  EngineOptions options;
  options.kv_bytes = 1000;
  EXPECT_THAT(Message(Engine::Load(ModelFile(kSmolLm), options).status()), HasSubstr("holds no page"));
  options = {};
  options.context_length = 1 << 20;
  EXPECT_THAT(Message(Engine::Load(ModelFile(kSmolLm), options).status()), HasSubstr("allows 1 to"));
  EXPECT_FALSE(Engine::Load("/does/not/exist.gguf", {}).ok());
}

}  // namespace
}  // namespace orrery::model
