// SPDX-License-Identifier: Apache-2.0
#include "runners/training/data.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "base/digest.h"
#include "base/random.h"
#include "model/tokenizer/prompt_tokens.h"
#include "reasoning/prompt.h"
#include "reasoning/step.h"
#include "runners/training/files.h"
#include "runners/training/preference_data.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::json;

struct Text {
  std::string problem, question, prompt, completion;
  double mean_q = 0, min_q = 0, score = 0;
  int file = 0;  // of those given
};

StatusOr<Text> ParseText(const Json& json) {
  Text text;
  for (const auto& [key, value] : {std::pair{"prompt", &text.prompt}, {"completion", &text.completion}}) {
    *value = TextOf(json, key);
    if (value->empty()) return InvalidInput("expected \"{}\" with a text", key);
  }
  text.problem = TextOf(json, "problem").empty() ? text.prompt : TextOf(json, "problem");
  text.question = TextOf(json, "question");
  text.mean_q = NumberOf(json, "mean_q");
  text.min_q = NumberOf(json, "min_q");
  text.score = NumberOf(json, "score");
  return text;
}

// The texts of each question, or of each problem where no question is told: copies of a problem (problems.copies) are
// tries at one question.
using ByProblem = std::map<std::string, std::vector<Text>>;

// Those that train.choice puts first, first. A Q says how good a step was for the policy that searched, so Q of
// different campaigns cannot be compared: those of an earlier file come first.
void Sort(schema::TrajectoryChoice choice, uint64_t seed, std::vector<Text>& texts) {
  using Rank = std::tuple<int, double, double>;
  const auto rank = [&](const Text& text) -> Rank {
    switch (choice) {
      case schema::TrajectoryChoice::q: break;
      case schema::TrajectoryChoice::score: return {0, text.score, 0};
      case schema::TrajectoryChoice::sampled:
        return {0, HashParts({"choice", std::to_string(seed), text.problem, text.completion}) >> 11, 0};
    }
    return {-text.file, text.mean_q, text.min_q};
  };
  std::ranges::stable_sort(texts, std::greater(), rank);
}

StatusOr<ByProblem> ReadTexts(const schema::TrainConfig& config, TrainingData& data) {
  ByProblem problems;
  ORRERY_RETURN_IF_ERROR(
      ReadLines(config.data()->str(), "trajectories.jsonl", [&](const Json& json, int file) -> Status {
        ORRERY_ASSIGN_OR_RETURN(Text text, ParseText(json));
        text.file = file;
        ++data.lines;
        if (IsNoise(config, json)) {
          ++data.noise;
          return absl::OkStatus();
        }
        auto& texts = problems[text.question.empty() ? text.problem : text.question];
        const bool known =
            std::ranges::any_of(texts, [&](const Text& other) { return other.completion == text.completion; });
        known ? void(++data.doubles) : texts.push_back(std::move(text));
        return absl::OkStatus();
      }));
  return problems;
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

// The very tokens of a search: the prompt of a trained policy, which holds the solution's opening, then the rest. A
// file of another origin is taken as it stands.
model::TrainingExample Encode(const Text& text, const model::Tokenizer& tokenizer, std::optional<model::TokenId> end) {
  model::TrainingExample example;
  std::string_view completion = text.completion;
  const auto steps = reasoning::FormOf(completion);
  if (!text.question.empty() && steps) {
    example.tokens = QuestionTokens(tokenizer, text.question, *steps);
    completion.remove_prefix(reasoning::Opening(*steps).size());
  } else {
    const reasoning::PromptPiece pieces[] = {{text.prompt, true}};
    example.tokens = model::EncodePrompt(tokenizer, pieces);
  }
  example.prompt = static_cast<int>(example.tokens.size());
  AppendSolution(tokenizer, completion, example.tokens);
  if (end) example.tokens.push_back(*end);
  return example;
}

// Whether it may be learnt, cut where the configuration says so.
bool Fits(const schema::TrainConfig& config, model::TrainingExample& example, TrainingData& data) {
  if (std::ssize(example.tokens) <= config.max_tokens()) return true;
  if (config.too_long() == schema::LongExample::drop || example.prompt >= config.max_tokens()) {
    ++data.dropped;
    return false;
  }
  example.tokens.resize(static_cast<size_t>(config.max_tokens()));
  ++data.cut;
  return true;
}

StatusOr<TrainingData> LoadTrajectories(const schema::TrainConfig& config, uint64_t seed,
                                        const model::Tokenizer& tokenizer) {
  TrainingData data;
  ORRERY_ASSIGN_OR_RETURN(ByProblem problems, ReadTexts(config, data));
  data.problems = problems.size();
  const auto end = EndOf(tokenizer);
  Sha256 hash;
  for (auto& [question, texts] : problems) {
    Sort(config.choice(), seed, texts);
    if (config.per_problem() > 0 && std::ssize(texts) > config.per_problem()) {
      data.left_out += texts.size() - static_cast<size_t>(config.per_problem());
      texts.resize(static_cast<size_t>(config.per_problem()));
    }
    const bool validation = IsValidation(texts.front().problem, config.validation(), seed);
    for (const Text& text : texts) {
      auto example = Encode(text, tokenizer, end);
      if (!Fits(config, example, data)) continue;
      hash.UpdateSized({reinterpret_cast<const char*>(example.tokens.data()), example.tokens.size() * sizeof(int32_t)});
      (validation ? data.validation : data.learnt).push_back(std::move(example));
    }
  }
  if (data.learnt.empty()) {
    return InvalidInput(
        "{}: no example to learn ({} lines, {} of synthetic problems with less than {} right, {} longer than "
        "train.max_tokens={})",
        config.data()->str(), data.lines, data.noise, config.synthetic_right(), data.dropped, config.max_tokens());
  }
  data.digest = Hex(hash.Finish());
  return data;
}

}  // namespace

StatusOr<TrainingData> LoadTrainingData(const schema::TrainConfig& config, uint64_t seed,
                                        const model::Tokenizer& tokenizer, bool shared) {
  if (config.objective() == schema::TrainingObjective::sft) return LoadTrajectories(config, seed, tokenizer);
  return LoadPreferences(config, seed, tokenizer, shared);
}

}  // namespace orrery::runners
