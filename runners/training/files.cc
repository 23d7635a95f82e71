// SPDX-License-Identifier: Apache-2.0
#include "runners/training/files.h"

#include <algorithm>
#include <fstream>

#include "base/paths.h"
#include "base/random.h"
#include "model/tokenizer/prompt_tokens.h"
#include "reasoning/prompt.h"
#include "reasoning/step.h"
#include "runners/common/settings.h"

namespace orrery::runners {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

Status ReadFileLines(const fs::path& given, const char* otherwise, int file_number, const LineReader& read) {
  std::error_code error;
  const fs::path path = fs::is_directory(given, error) ? given / otherwise : given;
  std::ifstream file(path, std::ios::binary);
  if (!file) return NotFound("{}: no such file; train.data names a file or a campaign's folder", path.string());
  std::string line;
  for (uint64_t number = 1; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const Json json = Json::parse(line, nullptr, false);
    const Status status = json.is_object() ? read(json, file_number) : InvalidInput("expected a JSON object");
    if (!status.ok()) return InvalidInput("{}:{}: {}", path.string(), number, Message(status));
  }
  return absl::OkStatus();
}

}  // namespace

Status ReadLines(const std::string& names, const char* otherwise, const LineReader& read) {
  if (names.empty())
    return InvalidInput("train.data: expected a file ({}) or a campaign's folder, found none", otherwise);
  int file = 0;
  for (const std::string& name : ListOf(names))
    ORRERY_RETURN_IF_ERROR(ReadFileLines(CallerPath(name), otherwise, file++, read));
  return absl::OkStatus();
}

std::string TextOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

double NumberOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0.0;
}

bool IsNoise(const schema::TrainConfig& config, const Json& object) {
  if (!object.contains("right_share") || NumberOf(object, "right_share") >= config.synthetic_right()) return false;
  const std::vector<std::string> synthetic = ListOf(config.synthetic_sources()->str());
  return std::ranges::find(synthetic, TextOf(object, "source")) != synthetic.end();
}

std::vector<model::TokenId> QuestionTokens(const model::Tokenizer& tokenizer, const std::string& question,
                                           reasoning::StepForm steps) {
  const auto prompt = reasoning::BuiltInPrompt(reasoning::PromptForm::kFineTuned, {}, steps);
  return model::EncodePrompt(tokenizer, reasoning::Prompt(prompt, {.question = question}));
}

void AppendSolution(const model::Tokenizer& tokenizer, std::string_view solution, std::vector<model::TokenId>& tokens) {
  for (const std::string_view step : reasoning::SolutionPieces(solution)) model::AppendStep(tokenizer, step, tokens);
}

bool IsValidation(const std::string& problem, double share, uint64_t seed) {
  const uint64_t hash = HashParts({"validation", std::to_string(seed), problem});
  return static_cast<double>(hash >> 11) * 0x1p-53 < share;
}

}  // namespace orrery::runners
