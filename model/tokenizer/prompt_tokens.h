// SPDX-License-Identifier: Apache-2.0
#pragma once

// A prompt and a solution as the tokens that a model reads: the one way for campaigns, for the model tool and for
// training.

#include <span>
#include <string_view>
#include <vector>

#include "model/tokenizer/tokenizer.h"
#include "reasoning/prompt.h"

namespace orrery::model {

// The begin-of-text token first, where the publisher puts one. Special tokens stand only for themselves in the pieces
// that are ours.
std::vector<TokenId> EncodePrompt(const Tokenizer& tokenizer, std::span<const reasoning::PromptPiece> pieces);

// Appends a step's text. Solutions are encoded step by step: the text is the truth, not the tokens that were sampled.
// Markers are tokens of their own where the vocabulary has them (new_tokens.h); special tokens are plain characters.
void AppendStep(const Tokenizer& tokenizer, std::string_view text, std::vector<TokenId>& tokens);

}  // namespace orrery::model
