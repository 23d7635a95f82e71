// SPDX-License-Identifier: Apache-2.0
#include "reasoning/step.h"

#include <algorithm>
#include <array>

#include "reasoning/text.h"

namespace orrery::reasoning {
namespace {

constexpr std::string_view kFence = "```";
// A line that begins with one of these is a new turn or a new problem, in code and in an answer.
constexpr std::array<std::string_view, 10> kNewTurn = {"Question:", "Problem:",     "User:",        "Assistant:",
                                                       "Human:",    "Solution:",    "<|im_start|>", "<|im_end|>",
                                                       "<|user|>",  "<|assistant|>"};

std::string_view WithoutTrailingBlanks(std::string_view line) {
  const size_t last = line.find_last_not_of(" \t\r\f\v");
  return last == std::string_view::npos ? std::string_view() : line.substr(0, last + 1);
}

// Lines without trailing blanks, and without empty lines before the first and after the last that holds something.
std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const auto line = WithoutTrailingBlanks(text.substr(begin, end - begin));
    if (!line.empty() || !lines.empty()) lines.push_back(line);
    begin = end + 1;
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

std::string Join(const std::vector<std::string_view>& lines) {
  std::string text;
  for (const auto line : lines) text.append(line).push_back('\n');
  return text;
}

// Drops `marker` where it opens the text.
std::string_view WithoutOpening(std::string_view text, std::string_view marker) {
  const auto trimmed = Trim(text);
  if (!trimmed.starts_with(marker)) return text;
  return text.substr(static_cast<size_t>(trimmed.data() - text.data()) + marker.size());
}

// What no step may hold.
Status CheckText(std::string_view text, const std::vector<std::string_view>& lines) {
  if (const size_t valid = ValidUtf8Prefix(text); valid != text.size())
    return InvalidInput("not UTF-8 at byte {}", valid);
  if (text.find('\0') != std::string_view::npos) return InvalidInput("a NUL character");
  if (lines.empty()) return InvalidInput("an empty step");
  for (const auto marker : kMarkers) {
    if (text.find(marker) != std::string_view::npos) return InvalidInput("the marker {} inside a step", marker);
  }
  for (const auto line : lines) {
    const auto start = Trim(line);
    if (start.starts_with(kFence)) return InvalidInput("a Markdown fence");
    for (const auto word : kNewTurn) {
      if (start.starts_with(word)) return InvalidInput("a new turn or problem begun: \"{}\"", word);
    }
  }
  return absl::OkStatus();
}

StatusOr<Step> ParseCode(std::string_view text, std::string_view stop) {
  if (stop == kOutput || stop == kEndOfOutput) return InvalidInput("an output block of the model's own");
  if (stop == kEndOfAnswer) return InvalidInput("an answer before the program was complete");
  if (stop != kEndOfStep && stop != kEndOfCode)
    return InvalidInput("ended by \"{}\": {} or {} was expected", stop, kEndOfStep, kEndOfCode);
  text = WithoutOpening(text, kCode);
  const auto lines = Lines(text);
  ORRERY_RETURN_IF_ERROR(CheckText(text, lines));
  Step step;
  step.kind = stop == kEndOfStep ? StepKind::kCodeStep : StepKind::kFinalCode;
  step.code = Join(lines);
  step.comment_only = std::all_of(lines.begin(), lines.end(), [](std::string_view line) {
    const auto start = Trim(line);
    return start.empty() || start.front() == '#';
  });
  step.text = step.code;
  step.text.append(stop).push_back('\n');
  return step;
}

StatusOr<Step> ParseAnswer(std::string_view text, std::string_view stop, std::string_view opening) {
  if (stop != kEndOfAnswer)
    return InvalidInput("ended by \"{}\": after the output an answer ended by {} was expected", stop, kEndOfAnswer);
  text = WithoutOpening(text, opening);
  const auto lines = Lines(text);
  ORRERY_RETURN_IF_ERROR(CheckText(text, lines));
  auto answer = LastBoxed(text);
  if (!answer) return InvalidInput("an answer without \\boxed{{}}");
  if (answer->empty()) return InvalidInput("an answer with an empty \\boxed{{}}");
  Step step;
  step.kind = StepKind::kAnswer;
  step.answer = *std::move(answer);
  step.text = Join(lines);
  step.text.append(stop).push_back('\n');
  return step;
}

StatusOr<Step> ParseWords(std::string_view text, std::string_view stop) {
  if (stop == kEndOfAnswer) return ParseAnswer(text, stop, kReasoning);
  if (stop != kEndOfStep) return InvalidInput("ended by \"{}\": {} or {} was expected", stop, kEndOfStep, kEndOfAnswer);
  text = WithoutOpening(text, kReasoning);
  const auto lines = Lines(text);
  ORRERY_RETURN_IF_ERROR(CheckText(text, lines));
  Step step;
  step.kind = StepKind::kWords;
  step.text = Join(lines);
  step.text.append(stop).push_back('\n');
  return step;
}

}  // namespace

std::string_view Opening(StepForm form) {
  switch (form) {
    case StepForm::kCode: return "<code>\n";
    case StepForm::kWords: return "<reasoning>\n";
  }
  return "";
}

std::optional<StepForm> FormOf(std::string_view solution) {
  for (const StepForm form : {StepForm::kCode, StepForm::kWords}) {
    if (solution.starts_with(Opening(form))) return form;
  }
  return std::nullopt;
}

std::vector<std::string> StopStrings() {
  return {std::string(kEndOfStep),   std::string(kEndOfCode), std::string(kEndOfAnswer),
          std::string(kEndOfOutput), std::string(kOutput),    std::string(kFence)};
}

std::string_view Name(StepKind kind) {
  switch (kind) {
    case StepKind::kCodeStep: return "code";
    case StepKind::kFinalCode: return "final-code";
    case StepKind::kAnswer: return "answer";
    case StepKind::kWords: return "words";
  }
  return "unknown";
}

StatusOr<Step> ParseStep(std::string_view text, std::string_view stop, Position position) {
  if (stop.empty()) return InvalidInput("no marker: the sample ended in the middle of a step");
  if (stop == kFence) return InvalidInput("a Markdown fence");
  switch (position) {
    case Position::kInCode: return ParseCode(text, stop);
    case Position::kAfterOutput: return ParseAnswer(text, stop, kAnswer);
    case Position::kInWords: return ParseWords(text, stop);
  }
  return InvalidInput("no position");
}

bool RepeatsStep(std::span<const Step> parents, const Step& step) {
  return std::any_of(parents.begin(), parents.end(), [&](const Step& parent) { return parent.text == step.text; });
}

Status CheckOutput(std::string_view output) {
  return Trim(output).empty() ? InvalidInput("the program printed nothing") : absl::OkStatus();
}

std::string OutputBlock(std::string_view output, size_t limit) {
  const size_t last = output.find_last_not_of(" \t\r\n\f\v");
  output = output.substr(0, last == std::string_view::npos ? 0 : last + 1);
  const auto kept = CutUtf8(output, limit);
  std::string shown;
  for (size_t at = 0; at < kept.size(); ++at) {
    const auto rest = kept.substr(at);
    const bool marker =
        std::any_of(kMarkers.begin(), kMarkers.end(), [&](std::string_view m) { return rest.starts_with(m); });
    marker ? shown.append("&lt;") : shown.append(1, kept[at]);
  }
  if (kept.size() < output.size()) shown.append("…");
  return fmt::format("{}{}{}\n{}", kOutput, shown, kEndOfOutput, kAnswer);
}

std::string PartialSolution(std::span<const Step> steps, std::string_view output, size_t limit) {
  std::string text;
  for (const auto& step : steps) {
    text.append(step.text);
    if (step.kind == StepKind::kFinalCode) text.append(OutputBlock(output, limit));
  }
  return text;
}

std::vector<std::string_view> SolutionPieces(std::string_view solution) {
  std::vector<std::string_view> pieces;
  while (!solution.empty()) {
    size_t end = solution.size();
    for (const std::string& marker : {std::string(kEndOfStep) + "\n", std::string(kAnswer)}) {
      const size_t found = solution.find(marker);
      if (found != std::string_view::npos) end = std::min(end, found + marker.size());
    }
    pieces.push_back(solution.substr(0, end));
    solution.remove_prefix(end);
  }
  return pieces;
}

std::string FullTrajectory(StepForm form, std::span<const Step> steps, std::string_view output, size_t limit) {
  return fmt::format("{}{}", Opening(form), PartialSolution(steps, output, limit));
}

}  // namespace orrery::reasoning
