// SPDX-License-Identifier: Apache-2.0
#pragma once

// The lines of JSON-lines files that trainings read, and what both kinds of them share.

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/tokenizer/tokenizer.h"
#include "reasoning/step.h"
#include "schema/config.h"

namespace orrery::runners {

// Hears a line and the number of its file, from 0.
using LineReader = std::function<Status(const nlohmann::json& object, int file)>;

// Reads every line of the files that `names` holds, parted by commas; of a folder its file `otherwise`. Errors name
// file and line.
Status ReadLines(const std::string& names, const char* otherwise, const LineReader& read);

// Of a key that is not there, or of another type: "" and 0.
std::string TextOf(const nlohmann::json& object, const char* key);
double NumberOf(const nlohmann::json& object, const char* key);

// Whether a line is of a problem that a model wrote and whose label is doubtful: too few of its rollouts were right
// (METHODS A4: such problems are dropped as noise). A line that does not say how many were is none.
bool IsNoise(const schema::TrainConfig& config, const nlohmann::json& object);

// The tokens of a trained policy's prompt for a question, the solution's opening included, and of a solution after it,
// as a search encodes them.
std::vector<model::TokenId> QuestionTokens(const model::Tokenizer& tokenizer, const std::string& question,
                                           reasoning::StepForm steps);
void AppendSolution(const model::Tokenizer& tokenizer, std::string_view solution, std::vector<model::TokenId>& tokens);

// Whether a problem's examples are measured, not learnt: a draw by seed.
bool IsValidation(const std::string& problem, double share, uint64_t seed);

}  // namespace orrery::runners
