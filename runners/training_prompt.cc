// SPDX-License-Identifier: Apache-2.0
#include "runners/training_prompt.h"

#include "reasoning/prompt.h"

namespace orrery::runners {

std::string TrainingPrompt(const std::string& question) {
  reasoning::Problem problem;
  problem.question = question;
  std::string text;
  const auto prompt = reasoning::BuiltInPrompt(reasoning::PromptForm::kFineTuned);
  for (const auto& piece : reasoning::Prompt(prompt, problem)) text += piece.text;
  return text;
}

}  // namespace orrery::runners
