// SPDX-License-Identifier: Apache-2.0
#include "reasoning/prompt.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/paths.h"
#include "reasoning/text.h"

namespace orrery::reasoning {
namespace {

// Short, since a small model loses a long instruction: the two examples show what it says.
constexpr std::string_view kInstruction =
    R"(Solve the math problem with a short Python program, written in steps.
Each step is a comment that says what is computed, then the Python code for it, then <end_of_step>. Do every calculation in Python; define a variable before you use it. The last step prints the final result and ends with <end_of_code>. After the output, write the answer in \boxed{} and end with <end_of_answer>. You may import math, sympy and numpy. Do not use Markdown.)";

struct Example {
  std::string_view question, solution;
};

constexpr std::array kExamples = {
    Example{"A bakery packs muffins in boxes of 6 and sells each box for $9. On Monday it sold 84 muffins. How much "
            "money did it take for them?",
            R"(<code>
# Step 1: Find how many boxes were sold
boxes = 84 / 6
<end_of_step>
# Step 2: Multiply by the price of a box
income = boxes * 9
<end_of_step>
# Step 3: Print the final answer
print(income)
<end_of_code>
<output>126.0<end_of_output>
<answer>The bakery took \boxed{126} dollars.
<end_of_answer>)"},
    Example{"Nora has 15 stickers. Her brother Omar has 4 fewer than three times as many as Nora. Together they give "
            "away 25% of all their stickers. "
            "How many stickers do they have left?",
            R"(<code>
# Step 1: Find how many stickers Omar has
nora = 15
omar = 3 * nora - 4
<end_of_step>
# Step 2: Add the stickers of both
total = nora + omar
<end_of_step>
# Step 3: Take away the 25% that they give away
given = total * 25 / 100
left = total - given
<end_of_step>
# Step 4: Print the final answer
print(left)
<end_of_code>
<output>42.0<end_of_output>
<answer>They have \boxed{42} stickers left.
<end_of_answer>)"},
};

constexpr std::string_view kInstructionInWords =
    R"(Solve the math problem in short steps, in words.
Each step is one or two sentences with the calculation written out, then <end_of_step>. The last step gives the final answer in \boxed{} and ends with <end_of_answer>. Do not write code and do not use Markdown.)";

// The same questions.
constexpr std::array kSolutionsInWords = {
    std::string_view(R"(<reasoning>
Step 1: Find how many boxes were sold: 84 / 6 = 14 boxes.
<end_of_step>
Step 2: Multiply by the price of a box: 14 * 9 = 126 dollars.
<end_of_step>
The bakery took \boxed{126} dollars.
<end_of_answer>)"),
    std::string_view(R"(<reasoning>
Step 1: Find how many stickers Omar has. Three times 15 is 45, and 45 - 4 = 41.
<end_of_step>
Step 2: Add the stickers of both: 15 + 41 = 56.
<end_of_step>
Step 3: Take away the 25% that they give away: 56 * 25 / 100 = 14, and 56 - 14 = 42.
<end_of_step>
They have \boxed{42} stickers left.
<end_of_answer>)"),
};
static_assert(kSolutionsInWords.size() == kExamples.size());

constexpr std::string_view kPlace = "{question}";

// Where kPlace stands in `text`; nothing unless it stands there once.
std::optional<PromptTemplate> SplitAtPlace(std::string_view text) {
  const size_t place = text.find(kPlace);
  if (place == std::string::npos || text.find(kPlace, place + 1) != std::string::npos) return std::nullopt;
  return PromptTemplate{std::string(text.substr(0, place)), std::string(text.substr(place + kPlace.size()))};
}

PromptTemplate WorkedExamples(ChatFormat format, StepForm steps) {
  const bool code = steps == StepForm::kCode;
  std::vector<Turn> turns = {{Role::kSystem, code ? kInstruction : kInstructionInWords}};
  for (size_t i = 0; i < kExamples.size(); ++i) {
    turns.push_back({Role::kUser, kExamples[i].question});
    turns.push_back({Role::kAssistant, code ? kExamples[i].solution : kSolutionsInWords[i]});
  }
  PromptTemplate prompt = ChatPrompt(format, turns);
  prompt.after += fmt::format("{}{}", AnswerLead(format), Opening(steps));
  return prompt;
}

}  // namespace

PromptTemplate ChatPrompt(ChatFormat format, std::span<const Turn> before) {
  std::vector<Turn> turns(before.begin(), before.end());
  turns.push_back({Role::kUser, kPlace});
  PromptTemplate prompt = SplitAtPlace(RenderChat(format, turns)).value();
  if (prompt.before.ends_with(' ')) prompt.before.pop_back(), prompt.lead.assign(1, ' ');
  return prompt;
}

std::vector<PromptPiece> ChatPieces(ChatFormat format, std::span<const Turn> turns) {
  // Each turn's words are written as a mark between the white space that they begin and end with, so that a format that
  // trims them still does.
  constexpr char kMark = '\x01';
  constexpr std::string_view kBlanks = " \t\n\r\f\v";
  std::vector<std::string> contents;
  std::vector<std::string_view> words;
  for (const Turn& turn : turns) {
    const size_t first = std::min(turn.content.find_first_not_of(kBlanks), turn.content.size());
    const size_t last = turn.content.find_last_not_of(kBlanks);
    const size_t end = last == std::string_view::npos ? first : last + 1;
    words.push_back(turn.content.substr(first, end - first));
    contents.push_back(fmt::format("{}{}{}", turn.content.substr(0, first), kMark, turn.content.substr(end)));
  }
  std::vector<Turn> marked;
  for (size_t i = 0; i < turns.size(); ++i) marked.push_back({turns[i].role, contents[i]});
  const std::string text = RenderChat(format, marked);
  std::vector<PromptPiece> pieces;
  size_t begin = 0;
  for (const std::string_view own : words) {
    const size_t mark = text.find(kMark, begin);
    if (mark == std::string::npos) break;
    PromptPiece before{text.substr(begin, mark - begin), true}, said{std::string(own), false};
    // For tokenizers that write words with the blank before them.
    if (before.text.ends_with(' ')) before.text.pop_back(), said.text.insert(0, 1, ' ');
    pieces.push_back(std::move(before));
    pieces.push_back(std::move(said));
    begin = mark + 1;
  }
  pieces.push_back({text.substr(begin), true});
  return pieces;
}

PromptTemplate BuiltInPrompt(PromptForm form, ChatFormat format, StepForm steps) {
  if (form == PromptForm::kChat) return WorkedExamples(format, steps);
  return {"<|user|>:\n", fmt::format("\n<|assistant|>: Let's think step by step and solve the problem{}.{}",
                                     steps == StepForm::kCode ? " with code" : "", Opening(steps))};
}

StatusOr<PromptTemplate> LoadPrompt(const std::filesystem::path& path) {
  ORRERY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  if (const size_t valid = ValidUtf8Prefix(text); valid != text.size())
    return InvalidInput("{}: not UTF-8 at byte {}", path.string(), valid);
  auto prompt = SplitAtPlace(text);
  if (!prompt) return InvalidInput("{}: a prompt must hold {} exactly once", path.string(), kPlace);
  return *std::move(prompt);
}

std::vector<PromptPiece> Prompt(const PromptTemplate& prompt, const Problem& problem) {
  return {{prompt.before, true}, {prompt.lead + problem.question, false}, {prompt.after, true}};
}

}  // namespace orrery::reasoning
