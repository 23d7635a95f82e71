// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/observe.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "runners/store_commands/run_store.h"
#include "store/html.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::ordered_json;

// A block that holds what a model wrote, whatever that is.
std::string Fenced(std::string_view text) {
  std::string fence = "```";
  while (text.find(fence) != std::string_view::npos) fence += '`';
  return fmt::format("{}\n{}{}{}\n", fence, text, text.ends_with('\n') ? "" : "\n", fence);
}

std::string OneLine(std::string_view text, size_t characters) {
  std::string line = store::Shorten(text, characters);
  for (size_t at = 0; (at = line.find('|', at)) != std::string::npos; at += 2) line.insert(at, "\\");
  return line;
}

std::string Solved(const Observations& seen) {
  std::string text = "## Solved\n\n| within rollouts | solved |\n|---|---|\n";
  for (const auto& [within, count] : seen.solved_within)
    text += fmt::format("| {} | {} of {} ({}) |\n", within, count, seen.problems, store::Percent(count, seen.problems));
  const auto add = [&](const char* name, const std::map<std::string, Share>& shares) {
    text += fmt::format("\n| {} | solved |\n|---|---|\n", name);
    for (const auto& [key, share] : shares)
      text += fmt::format("| {} | {} of {} ({}) |\n", key.empty() ? "not said" : OneLine(key, 60), share.part,
                          share.whole, store::Percent(share.part, share.whole));
  };
  add("level", seen.by_level);
  add("source", seen.by_source);
  return text;
}

std::string NotSolved(const Observations& seen) {
  std::string text = fmt::format("\n## Not solved: {}\n\n| why | problems |\n|---|---|\n", seen.unsolved);
  for (const auto& [kind, count] : seen.unsolved_kinds) text += fmt::format("| {} | {} |\n", kind, count);
  text += fmt::format(
      "\nDoubtful labels, where most rollouts agree with each other against the label: {} ({} of the unsolved).\n",
      seen.doubtful_labels, store::Percent(seen.doubtful_labels, seen.unsolved));
  text +=
      "\nA sample to look at:\n\n| problem | question | label | most rollouts say | agree |\n|---|---|---|---|---|\n";
  for (const Unsolved& one : seen.unsolved_sample()) {
    text += fmt::format("| {}{} | {} | {} | {} | {} of {} |\n", one.problem, one.doubtful() ? " (doubtful)" : "",
                        OneLine(one.question, 160), OneLine(one.answer, 30), OneLine(one.given, 30), one.agree.part,
                        one.agree.whole);
  }
  return text;
}

std::string Steps(const Observations& seen) {
  const char* value = seen.scored ? "score" : "Q";
  std::string text = fmt::format(
      "\n## Steps\n\nMean {}: {:.3f} over {} steps; of those that name a theorem or a known method {:.3f} over {}.\n",
      value, seen.all_steps.value(), seen.all_steps.count, seen.theorem_steps.value(), seen.theorem_steps.count);
  if (!seen.theorems.empty()) {
    text += fmt::format("\n| named | steps | mean {} |\n|---|---|---|\n", value);
    for (const auto& [name, mean] : seen.theorems)
      text += fmt::format("| {} | {} | {:.3f} |\n", name, mean.count, mean.value());
  }
  const auto list = [&](const std::string& title, const std::vector<SeenStep>& steps) {
    if (!steps.empty()) text += fmt::format("\n### {}\n", title);
    for (const SeenStep& step : steps)
      text += fmt::format("\n{} {}: {} {:.3f}\n\n{}", step.problem, step.path, value, step.value, Fenced(step.text));
  };
  list("Highest scores", seen.best_steps());
  list("Of right solutions, the lowest: they may be wrong although the answer is right", seen.doubtful_steps());
  return text;
}

std::string Solutions(const Observations& seen) {
  std::string text = fmt::format(
      "\n## Solutions that turn back\n\nOf {} right solutions {} have a step whose comment gives up what came "
      "before.\n",
      seen.right_solutions, seen.turned_back);
  const auto add = [&](const SeenSolution& solution) {
    text += fmt::format("\n{}\n\n", solution.problem);
    std::string steps;
    for (size_t i = 0; i < solution.steps.size(); ++i) {
      if (solution.marked == i) steps += "# >>> here\n";
      steps += solution.steps[i];
    }
    text += Fenced(steps);
  };
  for (const SeenSolution& solution : seen.turns()) add(solution);
  text += "\n## Right solutions, a sample to be read\n";
  for (const SeenSolution& solution : seen.solutions()) add(solution);
  return text;
}

Json ToJson(const Observations& seen) {
  const auto shares = [](const std::map<std::string, Share>& all) {
    Json json = Json::object();
    for (const auto& [key, share] : all) json[key] = {{"solved", share.part}, {"problems", share.whole}};
    return json;
  };
  const auto steps = [](const std::vector<SeenStep>& all) {
    Json json = Json::array();
    for (const SeenStep& step : all)
      json.push_back({{"problem", step.problem}, {"path", step.path}, {"value", step.value}, {"text", step.text}});
    return json;
  };
  const auto solutions = [](const std::vector<SeenSolution>& all) {
    Json json = Json::array();
    for (const SeenSolution& solution : all) {
      json.push_back({{"problem", solution.problem}, {"steps", solution.steps}});
      if (solution.marked) json.back()["turns_at"] = *solution.marked;
    }
    return json;
  };
  Json json = {{"problems", seen.problems},
               {"solved", seen.solved},
               {"solved_by_level", shares(seen.by_level)},
               {"solved_by_source", shares(seen.by_source)},
               {"unsolved", seen.unsolved},
               {"unsolved_kinds", seen.unsolved_kinds},
               {"doubtful_labels", seen.doubtful_labels},
               {"values_are_scores", seen.scored},
               {"mean_value", seen.all_steps.value()},
               {"mean_value_with_theorem", seen.theorem_steps.value()},
               {"right_solutions", seen.right_solutions},
               {"turned_back", seen.turned_back},
               {"best_steps", steps(seen.best_steps())},
               {"doubtful_steps", steps(seen.doubtful_steps())},
               {"turns", solutions(seen.turns())},
               {"solutions", solutions(seen.solutions())}};
  for (const auto& [within, count] : seen.solved_within) json["solved_within"][std::to_string(within)] = count;
  for (const auto& [name, mean] : seen.theorems)
    json["theorems"][name] = {{"steps", mean.count}, {"mean_value", mean.value()}};
  for (const Unsolved& one : seen.unsolved_sample()) {
    json["unsolved_sample"].push_back({{"problem", one.problem},
                                       {"question", one.question},
                                       {"label", one.answer},
                                       {"kind", one.kind},
                                       {"most_say", one.given},
                                       {"agree", one.agree.part},
                                       {"answered", one.agree.whole},
                                       {"doubtful", one.doubtful()}});
  }
  return json;
}

}  // namespace

StatusOr<Observations> ObserveRun(const std::filesystem::path& run, size_t shown, uint64_t seed) {
  ORRERY_ASSIGN_OR_RETURN(const auto store, OpenRun(run));
  Observations seen(shown, seed);
  ORRERY_ASSIGN_OR_RETURN(
      const uint64_t unreadable,
      VisitTrees(*store, [&](std::string_view key, const store::TreeChunk& tree, const search::Tree& plain) {
        seen.Add(ProblemId(key), *tree, plain);
        return true;
      }));
  if (unreadable > 0)
    return Corrupt("{}: {} records cannot be read; store verify names them", run.string(), unreadable);
  return seen;
}

std::string ToMarkdown(const Observations& seen) {
  return Solved(seen) + NotSolved(seen) + Steps(seen) + Solutions(seen);
}

StatusOr<int> ObserveStore(const ObserveOptions& options) {
  ORRERY_ASSIGN_OR_RETURN(const Observations seen, ObserveRun(options.run, options.shown, options.seed));
  fmt::print("{}\n",
             options.json ? ToJson(seen).dump(-1, ' ', false, Json::error_handler_t::replace) : ToMarkdown(seen));
  return 0;
}

}  // namespace orrery::runners
