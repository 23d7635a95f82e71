// SPDX-License-Identifier: Apache-2.0
#include "runners/common/training_prompt.h"

#include "reasoning/prompt.h"

namespace orrery::runners {

std::string TrainingPrompt(const std::string& question, reasoning::StepForm steps) {
  reasoning::Problem problem;
  problem.question = question;
  std::string text;
  const auto prompt = reasoning::BuiltInPrompt(reasoning::PromptForm::kFineTuned, {}, steps);
  for (const auto& piece : reasoning::Prompt(prompt, problem)) text += piece.text;
  return text;
}

}  // namespace orrery::runners
