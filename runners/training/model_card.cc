// SPDX-License-Identifier: Apache-2.0
#include "runners/training/model_card.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "model/registry/registry.h"

namespace orrery::runners {
namespace {

// Of a path its telling part: a training's own folder is called "model".
std::string NameOf(const std::string& base) {
  const std::filesystem::path path = base;
  return path.filename() == "model" ? path.parent_path().filename().string() : path.filename().string();
}

// As the hub spells it; empty where it is not known.
std::string LicenceOf(const std::string& base) {
  const auto registry = model::Registry::Load();
  const model::ModelEntry* entry = registry.ok() ? registry->Find(NameOf(base)) : nullptr;
  std::string licence = entry != nullptr ? entry->license : "";
  std::ranges::transform(licence, licence.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return licence;
}

std::string What(const ModelCard& card) {
  if (card.objective == "sft")
    return "A policy: it writes a solution step by step, comments and Python, and then the answer. It was fine-tuned "
           "on "
           "solutions whose every step had run and whose answer was right.";
  if (card.objective == "orm")
    return "An outcome reward model: it scores whole solutions in (-1, 1). It was trained on pairs of right and wrong "
           "solutions.";
  if (card.objective == "pqm")
    return "A process model of values: it scores each step of a solution in (-1, 1), trained on the values that a tree "
           "search gave them.";
  return "A process preference model: it scores each step of a solution in (-1, 1). It was trained on pairs of steps "
         "of "
         "which a tree search valued one more.";
}

std::string Settings(const ModelCard& card, const schema::Config& config) {
  const schema::TrainConfig& train = *config.train();
  std::string text = "| | |\n|---|---|\n";
  const auto row = [&](std::string_view name, const std::string& value) {
    text += fmt::format("| {} | {} |\n", name, value);
  };
  row("trained from", NameOf(card.base));
  row("objective", card.objective);
  row("examples", fmt::format("{} of {} problems, {} of them kept for validation", card.learnt + card.validation,
                              card.problems, card.validation));
  row("their digest", card.data);
  row("steps", fmt::format("{} of {} examples, {} epochs", card.steps, train.batch(), train.epochs()));
  row("rate", fmt::format("{}, {}, warm-up {}", train.rate(), schema::EnumNameLearningSchedule(train.schedule()),
                          train.warmup()));
  row("decay", fmt::format("{}", train.decay()));
  if (train.lora_rank() > 0)
    row("low-rank adapters", fmt::format("rank {}, alpha {}, merged", train.lora_rank(), train.lora_alpha()));
  row("seed", std::to_string(config.run()->seed()));
  if (!card.measured.empty()) row("on the problems kept for validation", card.measured);
  return text;
}

}  // namespace

std::string CardText(const ModelCard& card, const schema::Config& config) {
  const std::string licence = LicenceOf(card.base);
  std::string text = "---\n";
  if (!licence.empty()) text += fmt::format("license: {}\n", licence);
  text += fmt::format("library_name: transformers\npipeline_tag: {}\ntags:\n- orrery\n---\n\n",
                      card.objective == "sft" ? "text-generation" : "text-classification");
  text += fmt::format("# {} trained by {}\n\n{}\n\n", NameOf(card.base), card.objective, What(card));
  text += Settings(card, config);
  text +=
      card.objective == "sft"
          ? "\nIt is asked as it was trained: `//runners:campaign -- --model=FOLDER --set search.prompt=fine_tuned`.\n"
          : "\nA search asks it by `ppm.name=FOLDER`; a text's score is tanh(output / scale), the scale being "
            "`score_scale` of config.json.\n";
  text +=
      "\nIts program steps are meant for a sandbox. It has learnt from one kind of problems, and is worth what was "
      "measured on others.\n";
  return text;
}

}  // namespace orrery::runners
