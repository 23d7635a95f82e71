// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/observations.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <ranges>

#include "base/random.h"
#include "runners/evaluation/metrics.h"
#include "store/convert.h"

namespace orrery::runners {
namespace {

// What a step's text says in small letters, and the name that is counted.
struct Named {
  std::string_view words, name;
};

constexpr Named kTheorems[] = {
    {"am-gm", "AM-GM inequality"},
    {"arithmetic series", "arithmetic series"},
    {"bayes", "Bayes' theorem"},
    {"bezout", "Bézout's identity"},
    {"binomial", "binomial theorem"},
    {"cauchy", "Cauchy-Schwarz inequality"},
    {"ceva", "Ceva's theorem"},
    {"chinese remainder", "Chinese remainder theorem"},
    {"de moivre", "De Moivre's formula"},
    {"euclid", "Euclid's algorithm"},
    {"euler", "Euler's theorem"},
    {"fermat", "Fermat's little theorem"},
    {"geometric series", "geometric series"},
    {"heron", "Heron's formula"},
    {"inclusion-exclusion", "inclusion-exclusion"},
    {"lagrange", "Lagrange"},
    {"law of cosines", "law of cosines"},
    {"law of sines", "law of sines"},
    {"pigeonhole", "pigeonhole principle"},
    {"power of a point", "power of a point"},
    {"ptolemy", "Ptolemy's theorem"},
    {"pythagor", "Pythagorean theorem"},
    {"quadratic formula", "quadratic formula"},
    {"remainder theorem", "remainder theorem"},
    {"shoelace", "shoelace formula"},
    {"stars and bars", "stars and bars"},
    {"triangle inequality", "triangle inequality"},
    {"vieta", "Vieta's formulas"},
    {"wilson", "Wilson's theorem"},
};

constexpr std::string_view kTurns[] = {
    "another approach", "another way", "does not work", "doesn't work",      "is incorrect", "is not correct",
    "is wrong",         "let's retry", "let us retry",  "mistake",           "re-evaluate",  "recalculate",
    "reconsider",       "simpler way", "start over",    "that is not right", "try again",    "wait,",
};

std::string Small(std::string_view text) {
  std::string small(text);
  std::ranges::transform(small, small.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return small;
}

// The comments of a step, in small letters.
std::string CommentsOf(std::string_view step) {
  std::string comments;
  for (const auto line : step | std::views::split('\n')) {
    const std::string_view text(line.begin(), line.end());
    const size_t begin = text.find_first_not_of(" \t");
    if (begin != std::string_view::npos && text[begin] == '#') comments += Small(text.substr(begin)) + '\n';
  }
  return comments;
}

std::string PathTo(const search::Tree& tree, int node) {
  std::string path;
  for (int i = node; tree.nodes[static_cast<size_t>(i)].parent >= 0; i = tree.nodes[static_cast<size_t>(i)].parent)
    path = fmt::format("/{}", tree.nodes[static_cast<size_t>(i)].candidate) + path;
  return path;
}

double ValueOf(const search::Node& node) { return node.score.value_or(node.q()); }

template <class Map>
void Bound(Map& map, size_t most) {
  while (map.size() > most) map.erase(std::prev(map.end()));
}

template <class Map>
auto Values(const Map& map) {
  std::vector<typename Map::mapped_type> values;
  for (const auto& [rank, value] : map) values.push_back(value);
  return values;
}

SeenSolution Solution(std::string_view problem, const search::Tree& tree, const search::Trajectory& trajectory) {
  SeenSolution solution{.problem = std::string(problem), .steps = {}, .marked = {}};
  for (const int node : trajectory.nodes) {
    const std::string_view text = tree.nodes[static_cast<size_t>(node)].text;
    if (!solution.marked && TurnsBack(text)) solution.marked = solution.steps.size();
    solution.steps.emplace_back(text);
  }
  return solution;
}

}  // namespace

std::vector<std::string_view> TheoremsIn(std::string_view step) {
  const std::string small = Small(step);
  std::vector<std::string_view> found;
  for (const Named& theorem : kTheorems) {
    if (small.find(theorem.words) != std::string::npos) found.push_back(theorem.name);
  }
  return found;
}

bool TurnsBack(std::string_view step) {
  const std::string comments = CommentsOf(step);
  return std::ranges::any_of(kTurns, [&](std::string_view words) { return comments.find(words) != std::string::npos; });
}

void Observations::Add(std::string_view problem, const schema::TreeRecord& record, const search::Tree& tree) {
  ++problems;
  for (Share* share : {&by_level[GetString(record.level())], &by_source[GetString(record.source())]}) {
    ++share->whole;
    share->part += record.solved() ? 1 : 0;
  }
  AddRollouts(tree);
  record.solved() ? void(++solved) : AddUnsolved(problem, record, tree);
  AddSteps(problem, tree);
  AddSolutions(problem, tree);
}

void Observations::AddRollouts(const search::Tree& tree) {
  const auto first = std::ranges::find_if(
      tree.rollouts, [&](const auto& rollout) { return tree.nodes[static_cast<size_t>(rollout.node)].right; });
  const auto needed = first - tree.rollouts.begin();
  for (int within = 1; within <= std::max<int>(1, static_cast<int>(tree.rollouts.size())); within *= 2)
    solved_within[within] += first != tree.rollouts.end() && needed < within ? 1 : 0;
}

void Observations::AddUnsolved(std::string_view problem, const schema::TreeRecord& record, const search::Tree& tree) {
  ++unsolved;
  std::map<std::string, std::pair<uint64_t, std::string>> answers;
  uint64_t answered = 0, too_long = 0;
  for (const auto& rollout : tree.rollouts) {
    const search::Node& end = tree.nodes[static_cast<size_t>(rollout.node)];
    if (end.end == search::End::kDepthLimit) ++too_long;
    if (end.end != search::End::kAnswered) continue;
    ++answered;
    const std::string answer = store::CandidateOf(record, rollout.node)->answer()->str();
    auto& [count, words] = answers[VoteKey(answer)];
    if (count++ == 0) words = answer;
  }
  Unsolved found{.problem = std::string(problem), .question = {}, .answer = {}, .kind = {}, .given = {}, .agree = {}};
  if (record.question() != nullptr) found.question = record.question()->str();
  if (record.answer() != nullptr) found.answer = record.answer()->str();
  found.agree.whole = answered;
  for (const auto& [key, value] : answers) {
    if (value.first > found.agree.part) found.agree.part = value.first, found.given = value.second;
  }
  found.kind = answered > 0 ? "wrong answers" : too_long > 0 ? "no answer: too long" : "no answer: no step that runs";
  ++unsolved_kinds[found.kind];
  doubtful_labels += found.doubtful() ? 1 : 0;
  unsolved_sample_.emplace(Draw(problem, "unsolved"), std::move(found));
  Bound(unsolved_sample_, shown_);
}

void Observations::AddSteps(std::string_view problem, const search::Tree& tree) {
  for (size_t i = 1; i < tree.nodes.size(); ++i) {
    const search::Node& node = tree.nodes[i];
    if (node.end == search::End::kAnswered || node.tolerated) continue;
    scored = scored || node.score.has_value();
    const double value = ValueOf(node);
    all_steps.Add(value);
    const auto names = TheoremsIn(node.text);
    for (const std::string_view name : names) theorems[std::string(name)].Add(value);
    if (!names.empty()) theorem_steps.Add(value);
    if (!node.score) continue;
    best_.emplace(-value,
                  SeenStep{std::string(problem), PathTo(tree, static_cast<int>(i)), std::string(node.text), value});
    Bound(best_, shown_);
  }
}

void Observations::AddSolutions(std::string_view problem, const search::Tree& tree) {
  const auto best = search::BestTrajectories(tree, static_cast<int>(tree.nodes.size()));
  for (size_t i = 0; i < best.size(); ++i) {
    ++right_solutions;
    const std::string name = fmt::format("{}#{}", problem, i);
    SeenSolution solution = Solution(problem, tree, best[i]);
    turned_back += solution.marked ? 1 : 0;
    if (solution.marked) turns_.emplace(Draw(name, "turns"), solution);
    Bound(turns_, shown_);
    solution.marked.reset();
    if (i == 0) solutions_.emplace(Draw(name, "solutions"), std::move(solution));
    Bound(solutions_, shown_);
    if (i > 0) continue;
    for (const int at : best[i].nodes) {
      const search::Node& node = tree.nodes[static_cast<size_t>(at)];
      if (node.tolerated || node.end == search::End::kAnswered) continue;
      doubtful_.emplace(ValueOf(node),
                        SeenStep{std::string(problem), PathTo(tree, at), std::string(node.text), ValueOf(node)});
    }
    Bound(doubtful_, shown_);
  }
}

uint64_t Observations::Draw(std::string_view problem, std::string_view kind) const {
  const std::string seed = std::to_string(seed_);
  return HashParts({kind, seed, problem});
}

std::vector<SeenStep> Observations::best_steps() const { return Values(best_); }
std::vector<SeenStep> Observations::doubtful_steps() const { return Values(doubtful_); }
std::vector<SeenSolution> Observations::turns() const { return Values(turns_); }
std::vector<SeenSolution> Observations::solutions() const { return Values(solutions_); }
std::vector<Unsolved> Observations::unsolved_sample() const { return Values(unsolved_sample_); }

}  // namespace orrery::runners
