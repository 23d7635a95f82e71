// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/show.h"

#include <fmt/format.h>

#include <algorithm>

#include "runners/store_commands/run_store.h"
#include "runners/store_commands/terminal_text.h"
#include "store/convert.h"
#include "store/drawing.h"

namespace orrery::runners {
namespace {

constexpr int kGreen = 32, kRed = 31, kQuiet = 90;

uint64_t Tokens(const schema::TreeRecord& record) {
  uint64_t tokens = 0;
  if (record.expansions() == nullptr) return tokens;
  for (const schema::Expansion* expansion : *record.expansions()) tokens += expansion->tokens_generated();
  return tokens;
}

std::string Headline(const NamedTree& named, const search::Tree& tree) {
  const auto& record = *named.tree;
  return fmt::format("{}: {}, {}; {} of {}{} rollouts{}, {} nodes, {} expansions, {} tokens",
                     Printable(ProblemId(named.key)), record.solved() ? "solved" : "not solved",
                     search::Name(search::DifficultyOf(tree)), tree.rollouts.size(), record.budget(),
                     record.extra_budget() == 0 ? "" : fmt::format("+{}", record.extra_budget()),
                     record.exhausted() ? " (no new path was left)" : "", tree.nodes.size(),
                     record.expansions() == nullptr ? 0 : record.expansions()->size(), Tokens(record));
}

void PrintField(std::string_view name, std::string_view text) {
  if (!text.empty()) fmt::print("{}: {}\n", name, Printable(text));
}

// The best right trajectories; where none is right, the wrong ones that were worth most.
std::vector<search::Trajectory> Best(const search::Tree& tree, int count) {
  std::vector<search::Trajectory> best = search::BestTrajectories(tree, count);
  if (!best.empty()) return best;
  best = search::Trajectories(tree);
  std::ranges::stable_sort(best, std::greater(), &search::Trajectory::mean_q);
  best.resize(std::min(best.size(), static_cast<size_t>(std::max(count, 0))));
  return best;
}

// What the sandbox and the grader said of a candidate.
std::string Judged(const schema::Candidate& candidate) {
  std::string words;
  if (candidate.verdict() != schema::Verdict::NotRun) words = schema::EnumNameVerdict(candidate.verdict());
  if (candidate.kind() == schema::StepKind::Answer)
    words = fmt::format("{} {}", GetStringView(candidate.answer()), schema::EnumNameGrade(candidate.grade()));
  if (candidate.tolerated_errors() > 0) words += ", tolerated";
  if (candidate.merged() > 1) words += fmt::format(", {} samples", candidate.merged());
  return words;
}

// Draws a record's nodes below each other, with the lines that join them.
class Drawing {
 public:
  Drawing(const schema::TreeRecord& record, const search::Tree& tree, bool all)
      : record_(record), tree_(tree), all_(all), width_(TerminalColumns()), children_(tree.nodes.size()) {
    for (size_t i = 1; i < tree.nodes.size(); ++i)
      children_[static_cast<size_t>(tree.nodes[i].parent)].push_back(static_cast<int>(i));
  }

  void Node(int index, const std::string& before, const std::string& below) {
    const search::Node& node = tree_.nodes[static_cast<size_t>(index)];
    const schema::Candidate* candidate = store::CandidateOf(record_, index);
    std::string words = fmt::format("N {} Q {:+.2f}", node.visits, node.q());
    if (candidate != nullptr) words += "  " + Judged(*candidate);
    if (node.end != search::End::kNone) words += fmt::format(", {}", store::EndWord(node));
    if (candidate != nullptr && candidate->kind() != schema::StepKind::Answer)
      words += "  " + store::FirstWords(GetStringView(candidate->text()));
    const int colour = node.right ? kGreen : node.end != search::End::kNone ? kRed : 0;
    Line(before, words, colour);
    Below(index, below);
  }

 private:
  struct Branch {
    int candidate = 0;
    int node = -1;  // none: no rollout visited it
  };

  void Below(int index, const std::string& below) {
    std::vector<Branch> branches;
    for (const int child : children_[static_cast<size_t>(index)])
      branches.push_back({tree_.nodes[static_cast<size_t>(child)].candidate, child});
    const int expansion = record_.nodes()->Get(static_cast<flatbuffers::uoffset_t>(index))->expansion();
    const auto* candidates =
        expansion < 0 ? nullptr : record_.expansions()->Get(static_cast<uint32_t>(expansion))->candidates();
    for (int i = 0; all_ && candidates != nullptr && i < static_cast<int>(candidates->size()); ++i) {
      if (std::ranges::find(branches, i, &Branch::candidate) == branches.end()) branches.push_back({i, -1});
    }
    std::ranges::sort(branches, {}, &Branch::candidate);
    for (size_t i = 0; i < branches.size(); ++i) {
      const bool last = i + 1 == branches.size();
      const std::string before = below + fmt::format("{} {}: ", last ? "└─" : "├─", branches[i].candidate);
      if (branches[i].node >= 0) {
        Node(branches[i].node, before, below + (last ? "   " : "│  "));
      } else {
        Unvisited(*candidates->Get(static_cast<flatbuffers::uoffset_t>(branches[i].candidate)), before);
      }
    }
  }

  void Unvisited(const schema::Candidate& candidate, const std::string& before) {
    const std::string error(GetStringView(candidate.error()));
    std::string words = candidate.valid() ? fmt::format("not visited, {}", Judged(candidate))
                                          : fmt::format("invalid: {}", GetStringView(candidate.rejection()));
    if (!error.empty()) words += fmt::format(" ({})", error);
    Line(before, words + "  " + store::FirstWords(GetStringView(candidate.text())), kQuiet);
  }

  void Line(const std::string& before, const std::string& words, int colour) {
    const size_t used = ColumnsOf(before);
    const std::string fitted = Fitted(Printable(words), width_ > used + 20 ? width_ - used : 20);
    fmt::print("{}{}\n", before, colour == 0 ? fitted : Coloured(fitted, colour));
  }

  const schema::TreeRecord& record_;
  const search::Tree& tree_;
  const bool all_;
  const size_t width_;
  std::vector<std::vector<int>> children_;
};

}  // namespace

StatusOr<int> ShowProblem(const ShowOptions& options) {
  ORRERY_ASSIGN_OR_RETURN(const auto store, OpenRun(options.run));
  ORRERY_ASSIGN_OR_RETURN(const NamedTree named, FindTree(*store, options.problem));
  const auto& record = *named.tree;
  ORRERY_ASSIGN_OR_RETURN(const search::Tree tree, store::ToSearchTree(record));
  fmt::print("{}\n", Headline(named, tree));
  PrintField("source", GetStringView(record.source()));
  PrintField("level", GetStringView(record.level()));
  PrintField("licence", GetStringView(record.licence()));
  PrintField("question", GetStringView(record.question()));
  PrintField("answer", GetStringView(record.answer()));
  PrintField("checker", GetStringView(record.checker()));
  const auto all = search::Trajectories(tree);
  const auto right = std::ranges::count_if(all, &search::Trajectory::right);
  fmt::print("{} trajectories, {} right\n", all.size(), right);
  for (const search::Trajectory& trajectory : Best(tree, options.trajectories)) {
    fmt::print("\n{} ({}; mean Q {:+.2f}, least Q {:+.2f}):\n",
               trajectory.right ? Coloured("right", kGreen) : Coloured("wrong", kRed),
               fmt::format("{} steps", trajectory.nodes.size()), trajectory.mean_q, trajectory.min_q);
    fmt::print("<code>\n{}", Printable(store::SolutionText(record, trajectory.nodes, kOutputLimit)));
  }
  return 0;
}

StatusOr<int> ShowTree(const ShowOptions& options) {
  ORRERY_ASSIGN_OR_RETURN(const auto store, OpenRun(options.run));
  ORRERY_ASSIGN_OR_RETURN(const NamedTree named, FindTree(*store, options.problem));
  ORRERY_ASSIGN_OR_RETURN(const search::Tree tree, store::ToSearchTree(*named.tree));
  fmt::print("{}\n", Headline(named, tree));
  if (!tree.nodes.empty()) Drawing(*named.tree, tree, options.all).Node(0, "", "");
  return 0;
}

}  // namespace orrery::runners
