// SPDX-License-Identifier: Apache-2.0
// The batcher: samples of one request come as they end, the last as its answer, and a request that cannot be taken
// leaves nothing behind.

#include "actors/batcher.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "model/tokenizer/byte_tokenizer.h"
#include "schema/builder.h"

namespace orrery::actors {
namespace {

// Ends one request a step, the last submitted first, with its random stream as its text.
class LastFirst final : public model::Engine {
 public:
  const model::Tokenizer& tokenizer() const override { return tokenizer_; }
  int context_length() const override { return 1 << 20; }
  Status Submit(model::GenerationRequest request) override {
    if (request.random.stream == refused) return InvalidInput("the prompt is too long");
    requests_.push_back(std::move(request));
    return absl::OkStatus();
  }
  void Cancel(uint64_t id) override {
    std::erase_if(requests_, [id](const auto& request) { return request.id == id; });
  }
  StatusOr<std::vector<model::Generation>> Step() override {
    if (requests_.empty()) return std::vector<model::Generation>();
    if (broken) return Failed("the device fell off the bus");
    const model::GenerationRequest request = std::move(requests_.back());
    requests_.pop_back();
    model::Generation generation{.id = request.id, .tokens = request.prompt};
    generation.text = std::to_string(request.random.stream);
    return std::vector<model::Generation>{std::move(generation)};
  }
  bool Idle() const override { return requests_.empty(); }
  model::EngineCounters Counters() const override { return {}; }
  StatusOr<std::vector<float>> Logits(const std::vector<model::TokenId>&) override { return Failed("none"); }

  uint64_t refused = UINT64_MAX;
  bool broken = false;

 private:
  model::ByteTokenizer tokenizer_;
  std::vector<model::GenerationRequest> requests_;
};

// Keeps what comes before an answer, as "number:text".
using Heard = std::vector<std::string>;

void Append(const schema::Generated& generated, Heard* heard) {
  for (const schema::Sample* sample : *generated.samples())
    heard->push_back(std::to_string(sample->number()) + ":" + sample->text()->str());
}

class BatcherTest : public testing::Test {
 protected:
  static GenerateChunk Asking(const std::vector<uint64_t>& streams, uint32_t first) {
    schema::Builder builder;
    const std::vector<int32_t> prompt = {1, 2, 3};
    builder.Finish(schema::CreateGenerateDirect(builder, 1, &prompt, 1, 1, 0, nullptr, 8, 5, &streams, first));
    return GenerateChunk(std::move(builder));
  }

  // What came before the answer and then with it; or the error's words.
  Heard Ask(const std::vector<uint64_t>& streams, uint32_t first = 0) {
    caf::scoped_actor self(system_);
    auto early = std::make_shared<Heard>();
    auto asker = system_.spawn([early]() -> rollout_actor::behavior_type {
      return {
          [](atom::expand, const PartialChunk&) { return ExpansionChunk(); },
          [early](atom::sampled, const GeneratedChunk& generated) { Append(*generated, early.get()); },
      };
    });
    Heard answer;
    self->request(batcher_, caf::infinite, atom::generate_v, Asking(streams, first), asker)
        .receive([&](const GeneratedChunk& generated) { Append(*generated, &answer); },
                 [&](const caf::error& error) { answer.push_back(Words(error)); });
    // An answer of the asker comes after all that was sent to it before.
    self->request(asker, caf::infinite, atom::expand_v, PartialChunk())
        .receive([](const ExpansionChunk&) {}, [](const caf::error&) {});
    early->push_back("|");
    early->insert(early->end(), answer.begin(), answer.end());
    return *early;
  }

  void TearDown() override { caf::anon_send_exit(batcher_, caf::exit_reason::user_shutdown); }

  caf::actor_system_config config_ = [] {
    caf::actor_system_config config;
    config.add_message_types<caf::id_block::orrery>();
    return config;
  }();
  caf::actor_system system_{config_};
  std::shared_ptr<LastFirst> engine_ = std::make_shared<LastFirst>();
  Meters meters_;
  batcher_actor batcher_ = system_.spawn<caf::detached>(batcher, engine_, telemetry_actor(), &meters_);
};

TEST_F(BatcherTest, SamplesComeAsTheyEndAndTheLastIsTheAnswer) {
  EXPECT_EQ(Ask({70, 71, 72}), (Heard{"2:72", "1:71", "|", "0:70"}));
}

TEST_F(BatcherTest, FurtherSamplesGoOnCounting) { EXPECT_EQ(Ask({70, 71}, 5), (Heard{"6:71", "|", "5:70"})); }

TEST_F(BatcherTest, ARefusedSampleTakesItsSiblingsAlong) {
  engine_->refused = 72;
  EXPECT_EQ(Ask({70, 71, 72}), (Heard{"|", "the prompt is too long"}));
  EXPECT_TRUE(engine_->Idle());
  EXPECT_EQ(meters_.of(Kind::kBatcher).held.load(), 0);
  EXPECT_EQ(Ask({80}), (Heard{"|", "0:80"}));
}

TEST_F(BatcherTest, ABrokenEngineFailsARequestOnce) {
  engine_->broken = true;
  EXPECT_EQ(Ask({70, 71, 72}), (Heard{"|", "the device fell off the bus"}));
  EXPECT_EQ(meters_.of(Kind::kBatcher).held.load(), 0);
  EXPECT_EQ(meters_.of(Kind::kBatcher).failed.load(), 3u);
}

TEST_F(BatcherTest, NoSamplesAndTooManyAreRefused) {
  EXPECT_EQ(Ask({}), (Heard{"|", "a request for 0 samples: expected 1 to 255"}));
  EXPECT_EQ(Ask(std::vector<uint64_t>(256, 7)), (Heard{"|", "a request for 256 samples: expected 1 to 255"}));
}

}  // namespace
}  // namespace orrery::actors
