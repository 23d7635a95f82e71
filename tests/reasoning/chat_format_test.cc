// SPDX-License-Identifier: Apache-2.0
#include "reasoning/chat_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/paths.h"
#include "reasoning/prompt.h"

namespace orrery::reasoning {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Json = nlohmann::json;

Role RoleOf(const std::string& name) {
  return name == "system" ? Role::kSystem : name == "user" ? Role::kUser : Role::kAssistant;
}

TEST(ChatFormat, TurnsAreThoseOfApplyChatTemplate) {
  const Json golden = Json::parse(ReadFile(*DataFile("tests/reasoning/golden/chat.json")).value());
  ASSERT_EQ(golden.size(), 30u);
  for (const Json& row : golden) {
    const auto format = RecogniseChatFormat(row["template"].get<std::string>());
    ASSERT_TRUE(format.ok()) << format.status();
    EXPECT_EQ(Name(*format), row["format"].get<std::string>());
    std::vector<Turn> turns;
    for (const Json& turn : row["turns"]) {
      turns.push_back({RoleOf(turn[0].get<std::string>()), turn[1].get_ref<const std::string&>()});
    }
    EXPECT_EQ(RenderChat(*format, turns), row["text"].get<std::string>());
    std::string joined;
    for (const PromptPiece& piece : ChatPieces(*format, turns)) joined += piece.text;
    EXPECT_EQ(joined, row["text"].get<std::string>());
  }
}

TEST(ChatFormat, AnUnknownTemplateIsNamed) {
  const auto refused = [](std::string_view text) {
    const auto format = RecogniseChatFormat(text);
    EXPECT_FALSE(format.ok()) << text;
    return Message(format.status());
  };
  EXPECT_THAT(refused("{% for m in messages %}\n### {{ m.role }}: {{ m.content }}{% endfor %}{{ more }}"),
              HasSubstr("'{% for m in messages %} ### {{ m.role }}: {{ m.content }}{% '… is none of chatml, llama2"));
  EXPECT_THAT(refused("[SYSTEM_PROMPT] [INST] [/INST]"), HasSubstr("is none of"));
  EXPECT_THAT(refused("'<|user|>' '</s>'"), HasSubstr("is none of"));
  EXPECT_THAT(refused(""), HasSubstr("is none of"));
}

TEST(ChatFormat, TheSystemTurnOfATemplateItselfIsFound) {
  EXPECT_EQ(
      DefaultSystem("{% if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\\n' + messages[0]['content'] + "
                    "'<|im_end|>\\n' }}{% else %}{{- '<|im_start|>system\\nYou are Qwen, created by Alibaba "
                    "Cloud. You are a helpful assistant.<|im_end|>\\n' }}{% endif %}"),
      "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.");
  EXPECT_EQ(DefaultSystem("{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
                          "Face<|im_end|>\n' }}"),
            "You are a helpful AI assistant named SmolLM, trained by Hugging Face");
  for (const char* none : {"", "{{ '<|im_start|>' + message['role'] + '\\n' }}", "<|im_start|>system\\n",
                           "'<|im_start|>system\\n' + content + '<|im_end|>'", "[INST] {{ content }} [/INST]"})
    EXPECT_EQ(DefaultSystem(none), "") << none;
}

std::string Joined(ChatFormat format) {
  Problem problem;
  problem.question = "Q";
  std::string text;
  for (const auto& piece : Prompt(BuiltInPrompt(PromptForm::kChat, format), problem)) text += piece.text;
  return text;
}

TEST(ChatFormat, ThePromptOfChatMlStaysAsItWas) {
  EXPECT_EQ(Sha256Hex(Joined(ChatFormat::kChatMl)), "622f433ea156f976c99c03b2b22198f307ae658377a3a7a6391113f5af751354");
}

TEST(ChatFormat, ThePromptIsInTheModelsTurns) {
  EXPECT_THAT(Joined(ChatFormat::kLlama2), StartsWith("<s>[INST] <<SYS>>\nSolve the math problem"));
  EXPECT_THAT(Joined(ChatFormat::kLlama2), EndsWith("<end_of_answer> </s><s>[INST] Q [/INST] <code>\n"));
  EXPECT_THAT(Joined(ChatFormat::kMistral), EndsWith("<end_of_answer></s> [INST] Q [/INST] <code>\n"));
  EXPECT_THAT(Joined(ChatFormat::kLlama3),
              EndsWith("<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nQ<|eot_id|><|start_header_id|>"
                       "assistant<|end_header_id|>\n\n<code>\n"));
  EXPECT_THAT(Joined(ChatFormat::kPhi3), EndsWith("<|end|>\n<|user|>\nQ<|end|>\n<|assistant|>\n<code>\n"));
}

// A question's first word keeps its blank, and holds no special tokens whatever it says.
TEST(ChatFormat, TheQuestionIsAPieceOfItsOwn) {
  Problem problem;
  problem.question = "Q</s>";
  const auto pieces = Prompt(BuiltInPrompt(PromptForm::kChat, ChatFormat::kLlama2), problem);
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_THAT(pieces[0].text, EndsWith("[INST]"));
  EXPECT_EQ(pieces[1].text, " Q</s>");
  EXPECT_FALSE(pieces[1].special);
}

TEST(ChatFormat, WhatIsSaidHoldsNoSpecialTokens) {
  const Turn turns[] = {{Role::kSystem, " \n "},
                        {Role::kUser, "\x01<|im_end|> x "},
                        {Role::kAssistant, ""},
                        {Role::kUser, "\nagain </s>"}};
  for (const auto format : {ChatFormat::kChatMl, ChatFormat::kLlama2, ChatFormat::kLlama3, ChatFormat::kLlama31,
                            ChatFormat::kMistral, ChatFormat::kPhi3}) {
    std::string joined;
    int said = 0;
    for (const PromptPiece& piece : ChatPieces(format, turns)) {
      joined += piece.text;
      if (piece.text.find("<|im_end|> x") != std::string::npos || piece.text.find("again") != std::string::npos) {
        ++said;
        EXPECT_FALSE(piece.special) << Name(format);
      }
    }
    EXPECT_EQ(said, 2) << Name(format);
    EXPECT_EQ(joined, RenderChat(format, turns)) << Name(format);
  }
}

}  // namespace
}  // namespace orrery::reasoning
