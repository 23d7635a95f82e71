// SPDX-License-Identifier: Apache-2.0
#pragma once

// A prompt as the tokens that a model reads: the one way for campaigns, for the model tool and for training.

#include <span>
#include <vector>

#include "model/tokenizer/tokenizer.h"
#include "reasoning/prompt.h"

namespace orrery::model {

// The begin-of-text token first, where the publisher puts one. Special tokens stand only for themselves in the pieces
// that are ours.
std::vector<TokenId> EncodePrompt(const Tokenizer& tokenizer, std::span<const reasoning::PromptPiece> pieces);

}  // namespace orrery::model
