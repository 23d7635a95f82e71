// SPDX-License-Identifier: Apache-2.0
#include "model/shared_engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "tests/actors/scripted_engine.h"

namespace orrery::model {
namespace {

// Two users may number their requests alike; what is asked differs.
GenerationRequest Asked(uint64_t user, uint64_t number) {
  GenerationRequest request;
  request.id = number;
  for (const char c : std::string("# Step 1\n")) request.prompt.push_back(static_cast<unsigned char>(c));
  request.random = {.key = user, .stream = number};
  return request;
}

// Asks for `count` results, never more than 20 at a time, and gives them by number.
std::map<uint64_t, std::string> AskAll(Engine& engine, uint64_t user, uint64_t count) {
  std::map<uint64_t, std::string> texts;
  uint64_t next = 0;
  while (texts.size() < count) {
    for (; next < count && next - texts.size() < 20; ++next) {
      EXPECT_TRUE(engine.Submit(Asked(user, next)).ok());
    }
    EXPECT_FALSE(engine.Idle());
    const auto finished = engine.Step();
    EXPECT_TRUE(finished.ok()) << finished.status();
    if (!finished.ok()) return texts;
    for (const Generation& generation : *finished) {
      EXPECT_TRUE(texts.emplace(generation.id, generation.text).second) << "answered twice";
    }
  }
  EXPECT_TRUE(engine.Idle());
  return texts;
}

TEST(SharedEngine, EachShareHasWhatItWouldHaveHadAlone) {
  constexpr uint64_t kUsers = 3, kCount = 400;
  SharedEngine shared(std::make_unique<ScriptedEngine>(1));
  std::vector<std::map<uint64_t, std::string>> together(kUsers);
  std::vector<EngineCounters> counters(kUsers);
  std::vector<std::thread> threads;
  for (uint64_t user = 0; user < kUsers; ++user) {
    threads.emplace_back([&, user] {
      const auto share = shared.Share();
      together[user] = AskAll(*share, user, kCount);
      counters[user] = share->Counters();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (uint64_t user = 0; user < kUsers; ++user) {
    ScriptedEngine alone(7);
    EXPECT_EQ(together[user], AskAll(alone, user, kCount));
    EXPECT_EQ(counters[user].requests, kCount);
    EXPECT_EQ(counters[user].tokens_generated, alone.Counters().tokens_generated);
  }
  EXPECT_NE(together[0], together[1]);
}

TEST(SharedEngine, AShareThatGoesOrCancelsLeavesTheOthersWhatTheyHave) {
  SharedEngine shared(std::make_unique<ScriptedEngine>(2));
  const auto stays = shared.Share();
  for (uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(stays->Submit(Asked(1, i)).ok());
  {
    const auto goes = shared.Share();
    for (uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(goes->Submit(Asked(2, i)).ok());
    ASSERT_TRUE(goes->Step().ok());
  }
  stays->Cancel(3);
  stays->Cancel(99);  // unknown: no error
  std::map<uint64_t, std::string> texts;
  while (!stays->Idle()) {
    const auto finished = stays->Step();
    ASSERT_TRUE(finished.ok());
    for (const Generation& generation : *finished) texts[generation.id] = generation.text;
  }
  ScriptedEngine alone(7);
  auto expected = AskAll(alone, 1, 10);
  // It may have been answered before it was forgotten.
  if (!texts.contains(3)) expected.erase(3);
  EXPECT_EQ(texts, expected);
}

TEST(SharedEngine, ABrokenEngineIsToldToEveryShareThatWaits) {
  auto engine = std::make_unique<ScriptedEngine>(3);
  engine->fail_after = 1;
  SharedEngine shared(std::move(engine));
  const auto a = shared.Share(), b = shared.Share();
  for (uint64_t i = 0; i < 50; ++i) {
    ASSERT_TRUE(a->Submit(Asked(1, i)).ok());
    ASSERT_TRUE(b->Submit(Asked(2, i)).ok());
  }
  const auto until_failure = [](Engine& share) {
    for (int i = 0; i < 5; ++i) {
      const auto finished = share.Step();
      if (!finished.ok()) return Message(finished.status());
    }
    return std::string("none");
  };
  EXPECT_EQ(until_failure(*a), "the device fell off the bus");
  EXPECT_EQ(until_failure(*b), "the device fell off the bus");
  EXPECT_TRUE(a->Idle());
}

TEST(SharedEngine, ARefusedRequestIsToldByItsOwnShareAlone) {
  struct Refusing : ScriptedEngine {
    Refusing() : ScriptedEngine(4) {}
    Status Submit(GenerationRequest request) override {
      if (request.random.key == 2) return InvalidInput("does not fit");
      return ScriptedEngine::Submit(std::move(request));
    }
  };
  SharedEngine shared(std::make_unique<Refusing>());
  const auto good = shared.Share(), bad = shared.Share();
  ASSERT_TRUE(good->Submit(Asked(1, 0)).ok());
  ASSERT_TRUE(bad->Submit(Asked(2, 0)).ok());
  const auto failed = bad->Step();
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kInvalidArgument);
  while (!good->Idle()) ASSERT_TRUE(good->Step().ok());
  EXPECT_EQ(good->Counters().tokens_generated > 0, true);
}

}  // namespace
}  // namespace orrery::model
