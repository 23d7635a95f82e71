// SPDX-License-Identifier: Apache-2.0
#include "runners/training/preference_data.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "base/digest.h"
#include "model/tokenizer/prompt_tokens.h"
#include "reasoning/step.h"
#include "runners/training/files.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::json;

// The texts that go on from one prefix.
struct Siblings {
  std::string question;
  std::vector<std::string> texts;
  std::vector<float> values;
  std::set<std::pair<int32_t, int32_t>> pairs;

  int32_t Number(const std::string& text, double q) {
    const auto found = std::ranges::find(texts, text);
    if (found != texts.end()) return static_cast<int32_t>(found - texts.begin());
    texts.push_back(text);
    values.push_back(static_cast<float>(q));
    return static_cast<int32_t>(texts.size()) - 1;
  }
};

// By problem, whole or not, and prompt.
using Groups = std::map<std::tuple<std::string, bool, std::string>, Siblings>;

Status AddPair(const Json& json, Groups& groups, TrainingData& data) {
  for (const char* key : {"prompt", "chosen", "rejected"}) {
    if (TextOf(json, key).empty()) return InvalidInput("expected \"{}\" with a text", key);
  }
  const std::string prompt = TextOf(json, "prompt"), problem = TextOf(json, "problem");
  const auto whole = json.find("whole");
  const bool is_whole = whole != json.end() && whole->is_boolean() && whole->get<bool>();
  Siblings& group = groups[{problem.empty() ? prompt : problem, is_whole, prompt}];
  group.question = TextOf(json, "question");
  const int32_t chosen = group.Number(TextOf(json, "chosen"), NumberOf(json, "q_chosen"));
  const int32_t rejected = group.Number(TextOf(json, "rejected"), NumberOf(json, "q_rejected"));
  if (chosen == rejected) return InvalidInput("chosen and rejected are the same text");
  if (group.pairs.contains({rejected, chosen})) {
    ++data.left_out;  // an earlier file says the contrary
    return absl::OkStatus();
  }
  if (!group.pairs.emplace(chosen, rejected).second) ++data.doubles;
  return absl::OkStatus();
}

// A whole solution begins with its opening; of a step, the solution before it does, in the prompt.
reasoning::StepForm StepsOf(std::string_view prompt, const Siblings& siblings) {
  using reasoning::StepForm;
  const bool words = prompt.rfind(reasoning::Opening(StepForm::kWords)) != std::string_view::npos ||
                     std::ranges::any_of(siblings.texts, [](const std::string& text) {
                       return reasoning::FormOf(text) == StepForm::kWords;
                     });
  return words ? StepForm::kWords : StepForm::kCode;
}

// The very tokens of a search where the question is known; a file of another origin is taken as it stands.
model::ScoredGroup Encode(const std::string& prompt, const Siblings& siblings, const model::Tokenizer& tokenizer) {
  model::ScoredGroup group;
  const reasoning::StepForm steps = StepsOf(prompt, siblings);
  const std::string_view opening = reasoning::Opening(steps);
  const size_t begin = prompt.rfind(opening);
  const bool ours = !siblings.question.empty();
  if (ours) {
    group.prefix = QuestionTokens(tokenizer, siblings.question, steps);
    if (begin != std::string::npos)
      AppendSolution(tokenizer, std::string_view(prompt).substr(begin + opening.size()), group.prefix);
  } else {
    const reasoning::PromptPiece pieces[] = {{prompt, true}};
    group.prefix = model::EncodePrompt(tokenizer, pieces);
  }
  for (size_t i = 0; i < siblings.texts.size(); ++i) {
    std::string_view text = siblings.texts[i];
    if (ours && text.starts_with(opening)) text.remove_prefix(opening.size());
    model::ScoredBranch& branch = group.branches.emplace_back();
    AppendSolution(tokenizer, text, branch.tokens);
    branch.value = siblings.values[i];
  }
  group.pairs.assign(siblings.pairs.begin(), siblings.pairs.end());
  return group;
}

void Hash(const model::ScoredGroup& group, Sha256& hash) {
  const auto add = [&](const auto& values) {
    hash.UpdateSized({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0])});
  };
  add(group.prefix);
  for (const auto& branch : group.branches) {
    add(branch.tokens);
    add(std::vector{branch.value});
  }
  add(group.pairs);
}

}  // namespace

StatusOr<TrainingData> LoadPreferences(const schema::TrainConfig& config, uint64_t seed,
                                       const model::Tokenizer& tokenizer, bool shared) {
  TrainingData data;
  Groups groups;
  ORRERY_RETURN_IF_ERROR(ReadLines(config.data()->str(), "preferences.jsonl", [&](const Json& json, int) {
    ++data.lines;
    if (IsNoise(config, json)) {
      ++data.noise;
      return Status();
    }
    return AddPair(json, groups, data);
  }));
  std::set<std::string> problems;
  Sha256 hash;
  for (const auto& [key, siblings] : groups) {
    const auto& [problem, whole, prompt] = key;
    if (config.objective() == schema::TrainingObjective::orm && !whole) continue;
    problems.insert(problem);
    model::ScoredGroup group = Encode(prompt, siblings, tokenizer);
    if (model::ScoreObjective::Rows(group, shared) >
        static_cast<size_t>(std::max(config.rows(), config.max_tokens()))) {
      ++data.dropped;
      continue;
    }
    Hash(group, hash);
    const bool validation = IsValidation(problem, config.validation(), seed);
    (validation ? data.ranked_validation : data.ranked).push_back(std::move(group));
  }
  data.problems = problems.size();
  if (data.ranked.empty()) {
    return InvalidInput(
        "{}: no pair to learn ({} lines, {} groups longer than train.rows={}): a reward model needs problems with both "
        "right and wrong {}, which more rollouts or other problems give",
        config.data()->str(), data.lines, data.dropped, config.rows(),
        config.objective() == schema::TrainingObjective::orm ? "solutions" : "steps");
  }
  data.digest = Hex(hash.Finish());
  return data;
}

}  // namespace orrery::runners
