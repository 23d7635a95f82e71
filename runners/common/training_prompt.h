// SPDX-License-Identifier: Apache-2.0
#pragma once

// What stands before a solution in everything that is exported for training.

#include <string>

#include "reasoning/step.h"

namespace orrery::runners {

// The question as a fine-tuned policy will read it, whatever the prompt of the policy that solved it.
std::string TrainingPrompt(const std::string& question, reasoning::StepForm steps);

}  // namespace orrery::runners
