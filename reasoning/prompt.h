// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a policy reads before it writes: a list of pieces, of which only ours may hold special tokens; a user's question
// never does.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "reasoning/problem.h"

namespace orrery::reasoning {

struct PromptPiece {
  std::string text;
  bool special = false;  // special tokens in it are parsed
};

enum class PromptForm : uint8_t {
  kChatMl,     // instruction, two worked examples, the question, as ChatML turns; then "<code>\n": for chat models
  kFineTuned,  // METHODS A1: `<|user|>:\n{question}\n<|assistant|>: Let's think step by step and solve the problem with
               // code.` then "<code>\n"
  kFineTunedTwoNewlines,  // the same with an empty line before <|assistant|>, as rStar-Math's released inference code
                          // writes it
};

// "chatml", "fine-tuned", "fine-tuned-two-newlines".
std::string_view Name(PromptForm form);
std::optional<PromptForm> PromptFormOf(std::string_view name);

// Ends where the first step begins; a partial solution follows directly. The one function for sampling and for
// training. All pieces before the question are the same for every problem: a cache keeps them once.
std::vector<PromptPiece> Prompt(PromptForm form, const Problem& problem);

}  // namespace orrery::reasoning
