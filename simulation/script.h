// SPDX-License-Identifier: Apache-2.0
#pragma once

// The language in which simulated models and simulated tools speak with each other through real messages: steps of the
// real grammar (reasoning/step.h), of the length that was drawn, whose few meaningful words say what was drawn.
//
//   #~02 cost of each total …      a step at depth 2; it ends with "raise" where it is to fail,
//   print('right 8813…')           with this line where it ends a right program
//   … \boxed{right}                a right answer

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/tokenizer.h"
#include "simulation/policy.h"

namespace orrery::simulation {

// Four bytes of text a token, the last of a text with fewer: nearly what the tokenizers of models make of a step, at a
// small part of their cost. Texts hold no NUL.
class SimulatedTokenizer : public model::Tokenizer {
 public:
  std::vector<model::TokenId> Encode(std::string_view text, model::SpecialTokens special) const override;
  std::string_view Bytes(model::TokenId token) const override;  // until this thread's next call
  int vocabulary_size() const override { return INT32_MAX; }
  bool IsEndOfText(model::TokenId) const override { return false; }
  std::optional<model::TokenId> Find(std::string_view) const override { return std::nullopt; }
};

// A sample as a policy writes it: what comes before the marker that stops it, and the marker (none: it was cut off).
struct Script {
  std::string text;
  std::string stop;
};
Script Write(const SampleDraw& sample, const Place& place, double bytes_per_token);

// The node that a prompt ends at, as its last step and output tell; one without any is the root.
Place PlaceAtEnd(const std::vector<model::TokenId>& prompt, uint64_t key);

// What a step's program prints, or none where it fails.
std::optional<std::string> Printed(std::string_view code);
// Whether an answer's content is the right one.
bool IsRight(std::string_view answer);

}  // namespace orrery::simulation
