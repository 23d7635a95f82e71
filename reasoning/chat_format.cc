// SPDX-License-Identifier: Apache-2.0
#include "reasoning/chat_format.h"

#include "reasoning/text.h"

namespace orrery::reasoning {
namespace {

// The day is the one that the template names where its caller names none: prompts do not change with the calendar.
constexpr std::string_view kLlama31Dates = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";

std::string_view RoleName(Role role) {
  return role == Role::kSystem ? "system" : role == Role::kUser ? "user" : "assistant";
}

std::string ChatMl(std::span<const Turn> turns) {
  std::string text;
  for (const auto& [role, content] : turns)
    text += fmt::format("<|im_start|>{}\n{}<|im_end|>\n", RoleName(role), content);
  if (turns.back().role == Role::kUser) text += "<|im_start|>assistant\n";
  return text;
}

// `lead` is what every system turn begins with; a conversation without one gets it alone.
std::string Llama3(std::span<const Turn> turns, std::string_view lead) {
  constexpr std::string_view kTurn = "<|start_header_id|>{}<|end_header_id|>\n\n{}{}<|eot_id|>";
  std::string text = "<|begin_of_text|>";
  if (!lead.empty() && turns.front().role != Role::kSystem) text += fmt::format(kTurn, "system", lead, "");
  for (const auto& [role, content] : turns)
    text += fmt::format(kTurn, RoleName(role), role == Role::kSystem ? lead : "", Trim(content));
  if (turns.back().role == Role::kUser) text += "<|start_header_id|>assistant<|end_header_id|>\n\n";
  return text;
}

std::string Phi3(std::span<const Turn> turns) {
  std::string text;
  for (const auto& [role, content] : turns) text += fmt::format("<|{}|>\n{}<|end|>\n", RoleName(role), content);
  if (turns.back().role == Role::kUser) text += "<|assistant|>\n";
  return text;
}

// Each question begins a text of its own.
std::string Llama2(std::span<const Turn> turns) {
  std::string text, system;
  for (const auto& [role, content] : turns) {
    if (role == Role::kSystem) system = fmt::format("<<SYS>>\n{}\n<</SYS>>\n\n", content);
    if (role == Role::kAssistant) text += fmt::format(" {} </s>", Trim(content));
    if (role != Role::kUser) continue;
    text += fmt::format("<s>[INST] {} [/INST]", Trim(system + std::string(content)));
    system.clear();
  }
  return text;
}

std::string Mistral(std::span<const Turn> turns) {
  std::string text = "<s>", system;
  for (const auto& [role, content] : turns) {
    if (role == Role::kSystem) system = fmt::format("{}\n\n", content);
    if (role == Role::kAssistant) text += fmt::format(" {}</s>", content);
    if (role != Role::kUser) continue;
    text += fmt::format(" [INST] {}{} [/INST]", system, content);
    system.clear();
  }
  return text;
}

}  // namespace

std::string_view Name(ChatFormat format) {
  switch (format) {
    case ChatFormat::kChatMl: return "chatml";
    case ChatFormat::kLlama2: return "llama2";
    case ChatFormat::kLlama3: return "llama3";
    case ChatFormat::kMistral: return "mistral";
    case ChatFormat::kPhi3: return "phi3";
    case ChatFormat::kLlama31: return "llama3_1";
  }
  return "";
}

StatusOr<ChatFormat> RecogniseChatFormat(std::string_view chat_template) {
  const auto has = [&](std::string_view marker) { return chat_template.find(marker) != std::string_view::npos; };
  if (has("<|im_start|>")) return ChatFormat::kChatMl;
  if (has("<|start_header_id|>")) return has("Cutting Knowledge Date") ? ChatFormat::kLlama31 : ChatFormat::kLlama3;
  if (has("<|end|>") && (has("<|user|>") || has("'<|' + message['role'] + '|>"))) return ChatFormat::kPhi3;
  if (has("[INST]") && has("<<SYS>>")) return ChatFormat::kLlama2;
  // Mistral's later templates write other blanks and have turns of their own for tools and the system.
  if (has("[INST]") && has(" [/INST]") && !has("[AVAILABLE_TOOLS]") && !has("[SYSTEM_PROMPT]"))
    return ChatFormat::kMistral;
  std::string start(CutUtf8(chat_template, 60));
  for (char& c : start) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return InvalidInput("the chat template '{}'{} is none of chatml, llama2, llama3, llama3_1, mistral, phi3", start,
                      start.size() < chat_template.size() ? "…" : "");
}

std::string DefaultSystem(std::string_view chat_template) {
  // A system turn that is written out, not put together of a message: '<|im_start|>system\nYou are …<|im_end|>\n'. The
  // line's end is Jinja's, or one of the file's own.
  constexpr std::string_view kEnd = "<|im_end|>";
  for (const std::string_view open : {"<|im_start|>system\\n", "<|im_start|>system\n"}) {
    for (size_t at = chat_template.find(open); at != std::string_view::npos; at = chat_template.find(open, at + 1)) {
      const std::string_view rest = chat_template.substr(at + open.size());
      const std::string_view words = rest.substr(0, rest.find(kEnd));
      if (words.size() < rest.size() && !words.empty() && words.find_first_of("'\"{}\\") == std::string_view::npos)
        return std::string(words);
    }
  }
  return {};
}

std::string RenderChat(ChatFormat format, std::span<const Turn> turns) {
  if (turns.empty()) return {};
  switch (format) {
    case ChatFormat::kChatMl: return ChatMl(turns);
    case ChatFormat::kLlama2: return Llama2(turns);
    case ChatFormat::kLlama3: return Llama3(turns, {});
    case ChatFormat::kLlama31: return Llama3(turns, kLlama31Dates);
    case ChatFormat::kMistral: return Mistral(turns);
    case ChatFormat::kPhi3: return Phi3(turns);
  }
  return {};
}

std::string_view AnswerLead(ChatFormat format) {
  return format == ChatFormat::kLlama2 || format == ChatFormat::kMistral ? " " : "";
}

}  // namespace orrery::reasoning
