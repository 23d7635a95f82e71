// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a policy reads before it writes: a list of pieces, of which only ours may hold special tokens; a user's question
// never does.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "reasoning/chat_format.h"
#include "reasoning/problem.h"
#include "reasoning/step.h"

namespace orrery::reasoning {

struct PromptPiece {
  std::string text;
  bool special = false;  // special tokens in it are parsed
};

// What stands before and after the question. A partial solution follows `after` directly.
struct PromptTemplate {
  std::string before, after;
  std::string lead =
      {};  // a blank right before the question, for tokenizers that write words with the blank before them
};

enum class PromptForm : uint8_t {
  kChat,       // instruction, worked examples, the question, as turns of a chat; then the opening: for chat models
  kFineTuned,  // METHODS A1: `<|user|>:\n{question}\n<|assistant|>: Let's think step by step and solve the problem with
               // code.` then the opening; "with code" where steps are code
};

// A conversation that ends with the question, as a chat's turns: `before` is what was said until then.
PromptTemplate ChatPrompt(ChatFormat format, std::span<const Turn> before);

// A whole conversation as RenderChat writes it, in which only what is not a turn's own words may hold special tokens.
std::vector<PromptPiece> ChatPieces(ChatFormat format, std::span<const Turn> turns);

// `format` is how the model writes a chat's turns, `steps` what it is asked for.
PromptTemplate BuiltInPrompt(PromptForm form, ChatFormat format = ChatFormat::kChatMl,
                             StepForm steps = StepForm::kCode);

// A prompt of the user's own: a text file that holds {question} once. Special tokens are written as the model spells
// them; the text should end where the first step's code begins, a last newline included.
StatusOr<PromptTemplate> LoadPrompt(const std::filesystem::path& path);

// The one function for sampling and for training. The piece before the question is the same for every problem: a cache
// keeps it once.
std::vector<PromptPiece> Prompt(const PromptTemplate& prompt, const Problem& problem);

}  // namespace orrery::reasoning
