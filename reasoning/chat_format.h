// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a chat model's publisher writes the turns of a conversation.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace orrery::reasoning {

enum class ChatFormat : uint8_t {
  kChatMl,   // Qwen, SmolLM2: <|im_start|>role … <|im_end|>
  kLlama2,   // <s>[INST] <<SYS>> … <</SYS>> … [/INST] … </s>
  kLlama3,   // <|start_header_id|>role<|end_header_id|> … <|eot_id|>
  kMistral,  // <s> [INST] … [/INST] … </s>, the system's words before the first question
  kPhi3,     // <|role|> … <|end|>
  kLlama31,  // Llama 3.1 and later: as kLlama3, a system turn always there, which begins with two dates
};

std::string_view Name(ChatFormat format);

// The format of a model's Jinja template, known by the markers that it writes. The error shows the start of a template
// that is none of these.
StatusOr<ChatFormat> RecogniseChatFormat(std::string_view chat_template);

// What the template says for a conversation that has no system turn of its own, as Qwen's and SmolLM's do; empty where
// it says nothing.
std::string DefaultSystem(std::string_view chat_template);

enum class Role : uint8_t { kSystem, kUser, kAssistant };

struct Turn {
  Role role;
  std::string_view content;
};

// The conversation as the template writes it, begin-of-text token included; where the last turn is the user's, with the
// opening of the assistant's answer. A system turn may only be the first; user and assistant take turns after it.
std::string RenderChat(ChatFormat format, std::span<const Turn> turns);

// What stands between the opening of an answer and its first word in a finished conversation.
std::string_view AnswerLead(ChatFormat format);

}  // namespace orrery::reasoning
