// SPDX-License-Identifier: Apache-2.0
#include "runners/training_data.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/digest.h"
#include "base/paths.h"
#include "base/random.h"
#include "model/prompt_tokens.h"
#include "reasoning/prompt.h"
#include "reasoning/step.h"

namespace orrery::runners {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Text {
  std::string problem, question, prompt, completion;
  double mean_q = 0, min_q = 0;
};

StatusOr<Text> ParseText(const std::string& line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return InvalidInput("expected a JSON object");
  Text text;
  for (const auto& [key, value] : {std::pair{"prompt", &text.prompt}, {"completion", &text.completion}}) {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_string() || found->get_ref<const std::string&>().empty())
      return InvalidInput("expected \"{}\" with a text", key);
    *value = found->get<std::string>();
  }
  const auto string = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const auto number = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_number() ? found->get<double>() : 0.0;
  };
  text.problem = string("problem").empty() ? text.prompt : string("problem");
  text.question = string("question");
  text.mean_q = number("mean_q");
  text.min_q = number("min_q");
  return text;
}

// Of each problem its texts, best first.
using ByProblem = std::map<std::string, std::vector<Text>>;

Status ReadTexts(const fs::path& given, ByProblem& problems, TrainingData& data) {
  std::error_code error;
  const fs::path path = fs::is_directory(given, error) ? given / "trajectories.jsonl" : given;
  std::ifstream file(path, std::ios::binary);
  if (!file) return NotFound("{}: no such file; train.data names trajectories or a campaign's folder", path.string());
  std::string line;
  for (uint64_t number = 1; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto text = ParseText(line);
    if (!text.ok()) return InvalidInput("{}:{}: {}", path.string(), number, Message(text.status()));
    ++data.lines;
    auto& texts = problems[text->problem];
    const bool known =
        std::ranges::any_of(texts, [&](const Text& other) { return other.completion == text->completion; });
    known ? void(++data.doubles) : texts.push_back(*std::move(text));
  }
  return absl::OkStatus();
}

// The end that the model's own chat form has, else the first that it knows.
std::optional<model::TokenId> EndOf(const model::Tokenizer& tokenizer) {
  for (const char* name : {"<|im_end|>", "<|eot_id|>", "<|end|>", "</s>", "<|endoftext|>"}) {
    const auto id = tokenizer.Find(name);
    if (id && tokenizer.IsEndOfText(*id)) return id;
  }
  for (model::TokenId id = 0; id < tokenizer.vocabulary_size(); ++id) {
    if (tokenizer.IsEndOfText(id)) return id;
  }
  return std::nullopt;
}

// The very tokens of a search: the prompt of a trained policy, which holds the opening of the code, then the rest. A
// file of another origin is taken as it stands.
model::TrainingExample Encode(const Text& text, const model::Tokenizer& tokenizer, std::optional<model::TokenId> end) {
  model::TrainingExample example;
  const std::string opening = std::string(reasoning::kCode) + "\n";
  std::string_view completion = text.completion;
  if (!text.question.empty() && completion.starts_with(opening)) {
    const auto prompt = reasoning::BuiltInPrompt(reasoning::PromptForm::kFineTuned);
    example.tokens = model::EncodePrompt(tokenizer, reasoning::Prompt(prompt, {.question = text.question}));
    completion.remove_prefix(opening.size());
  } else {
    const reasoning::PromptPiece pieces[] = {{text.prompt, true}};
    example.tokens = model::EncodePrompt(tokenizer, pieces);
  }
  example.prompt = static_cast<int>(example.tokens.size());
  const auto more = tokenizer.EncodeContinuation(completion, model::SpecialTokens::kPlain);
  example.tokens.insert(example.tokens.end(), more.begin(), more.end());
  if (end) example.tokens.push_back(*end);
  return example;
}

bool IsValidation(const std::string& problem, double share, uint64_t seed) {
  const uint64_t hash = HashParts({"validation", std::to_string(seed), problem});
  return static_cast<double>(hash >> 11) * 0x1p-53 < share;
}

}  // namespace

StatusOr<TrainingData> LoadTrainingData(const schema::TrainConfig& config, uint64_t seed,
                                        const model::Tokenizer& tokenizer) {
  const std::string names = config.data()->str();
  if (names.empty())
    return InvalidInput("train.data: expected a file of trajectories or a campaign's folder, found none");
  TrainingData data;
  ByProblem problems;
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find(',', begin), names.size());
    ORRERY_RETURN_IF_ERROR(ReadTexts(CallerPath(names.substr(begin, end - begin)), problems, data));
    begin = end + 1;
  }
  data.problems = problems.size();
  const auto end = EndOf(tokenizer);
  Sha256 hash;
  for (auto& [problem, texts] : problems) {
    std::ranges::stable_sort(texts, [](const Text& a, const Text& b) {
      return std::pair(a.mean_q, a.min_q) > std::pair(b.mean_q, b.min_q);
    });
    if (config.per_problem() > 0 && std::ssize(texts) > config.per_problem()) {
      data.left_out += texts.size() - static_cast<size_t>(config.per_problem());
      texts.resize(static_cast<size_t>(config.per_problem()));
    }
    const bool validation = IsValidation(problem, config.validation(), seed);
    for (const Text& text : texts) {
      auto example = Encode(text, tokenizer, end);
      if (std::ssize(example.tokens) > config.max_tokens()) {
        if (config.too_long() == schema::LongExample::drop || example.prompt >= config.max_tokens()) {
          ++data.dropped;
          continue;
        }
        example.tokens.resize(static_cast<size_t>(config.max_tokens()));
        ++data.cut;
      }
      hash.UpdateSized({reinterpret_cast<const char*>(example.tokens.data()), example.tokens.size() * sizeof(int32_t)});
      (validation ? data.validation : data.learnt).push_back(std::move(example));
    }
  }
  if (data.learnt.empty()) {
    return InvalidInput("{}: no example to learn ({} lines, {} longer than train.max_tokens={})", names, data.lines,
                        data.dropped, config.max_tokens());
  }
  data.digest = Hex(hash.Finish());
  return data;
}

}  // namespace orrery::runners
