// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/scripted_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace orrery {
namespace {

// An answer of 0, 1 or 2 in \boxed{}, or a line of a program that works towards printing one; some are wrong Python,
// some loop back.
model::Generation Write(const model::GenerationRequest& request, std::string_view prompt) {
  if (request.max_new_tokens == 0) {
    const uint64_t hash = HashParts({prompt});
    return {.id = request.id,
            .reason = model::FinishReason::kScored,
            .score = static_cast<double>(hash % 1999) / 1000 - 0.999};
  }
  const auto dice = [&](uint32_t index, uint32_t sides) {
    return request.random.Bits(Purpose::kSampleToken, index) % sides;
  };
  model::Generation generation;
  generation.id = request.id;
  generation.reason = model::FinishReason::kStop;
  generation.log_probability = -0.5 * dice(9, 8);
  if (prompt.find("<reasoning>") != std::string_view::npos) {
    const bool answers = dice(2, 3) == 0;
    generation.text = answers ? fmt::format("It is \\boxed{{{}}}.", dice(3, 3))
                              : fmt::format("Step: take {} of {}.", dice(5, 4), dice(6, 5));
    generation.stop = answers ? "<end_of_answer>" : dice(1, 8) == 0 ? "<end_of_code>" : "<end_of_step>";
  } else if (prompt.ends_with("<answer>")) {
    generation.text = fmt::format("The result is \\boxed{{{}}}\n", dice(0, 3));
    generation.stop = "<end_of_answer>";
  } else if (dice(1, 6) == 0) {
    generation.text = "x = undefined_name\n";
    generation.stop = "<end_of_step>";
  } else if (dice(2, 3) == 0) {
    generation.text = fmt::format("print({})\n", dice(3, 3));
    generation.stop = "<end_of_code>";
  } else if (dice(7, 6) == 0) {
    generation.text = "import random\nprint(random.randint(0, 99), end=' ')\n";
    generation.stop = "<end_of_step>";
  } else if (dice(4, 8) == 0) {
    generation.text = "I do not know how to go on";
    generation.reason = model::FinishReason::kLength;
  } else {
    generation.text = fmt::format("# Step: add\nx{} = {}\n", dice(5, 4), dice(6, 5));
    generation.stop = "<end_of_step>";
  }
  generation.tokens.assign(generation.text.begin(), generation.text.end());
  return generation;
}

}  // namespace

Status ScriptedEngine::Submit(model::GenerationRequest request) {
  pending_.push_back(std::move(request));
  ++counters_.requests;
  return absl::OkStatus();
}

void ScriptedEngine::Cancel(uint64_t id) {
  std::erase_if(pending_, [id](const model::GenerationRequest& request) { return request.id == id; });
}

StatusOr<std::vector<model::Generation>> ScriptedEngine::Step() {
  ++counters_.batches;
  counters_.rows += pending_.size();
  if (fail_after != 0 && counters_.batches > fail_after) return Failed("the device fell off the bus");
  std::shuffle(pending_.begin(), pending_.end(), timing_);
  std::vector<model::Generation> finished;
  const size_t count = pending_.empty() ? 0 : 1 + timing_() % pending_.size();
  for (size_t i = 0; i < count; ++i) {
    finished.push_back(Write(pending_.front(), tokenizer_.Decode(pending_.front().prompt)));
    counters_.tokens_generated += finished.back().tokens.size();
    pending_.pop_front();
  }
  return finished;
}

StatusOr<std::vector<float>> ScriptedEngine::Logits(const std::vector<model::TokenId>&) {
  return Unavailable("a script has no logits");
}

}  // namespace orrery
