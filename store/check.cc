// SPDX-License-Identifier: Apache-2.0
#include "store/check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "store/convert.h"
#include "store/copy.h"
#include "store/replay.h"
#include "store/tree_builder.h"

namespace orrery::store {
namespace {

// The paths of nodes: candidates from the root.
std::vector<Path> NodePaths(const schema::TreeRecord& record) {
  std::vector<Path> paths;
  for (const schema::TreeNode* node : *record.nodes()) {
    Path path;
    if (node->parent() >= 0) {
      path = paths[static_cast<size_t>(node->parent())];
      path.push_back(node->candidate());
    }
    paths.push_back(std::move(path));
  }
  return paths;
}

class Findings {
 public:
  void Add(std::string place, std::string field, std::string recorded, std::string expected) {
    all_.push_back({std::move(place), std::move(field), std::move(recorded), std::move(expected)});
  }
  // Told where the two are not the same.
  template <class T>
  void Same(const std::string& place, const char* field, const T& recorded, const T& expected) {
    if (!(recorded == expected)) Add(place, field, fmt::format("{}", recorded), fmt::format("{}", expected));
  }
  bool empty() const { return all_.empty(); }
  std::vector<Finding> Take() { return std::move(all_); }

 private:
  std::vector<Finding> all_;
};

const schema::Candidate* CandidateAt(const schema::TreeRecord& record, const Path& path) {
  const Path parent(path.begin(), std::prev(path.end()));
  for (const schema::Expansion* expansion : *record.expansions()) {
    if (PathOf(*expansion) != parent || expansion->candidates() == nullptr) continue;
    return path.back() < expansion->candidates()->size() ? expansion->candidates()->Get(path.back()) : nullptr;
  }
  return nullptr;
}

void CheckExpansions(std::string_view key, const schema::TreeRecord& record, Findings* findings) {
  const Path* before = nullptr;
  Path last;
  for (const schema::Expansion* expansion : *record.expansions()) {
    const Path path = PathOf(*expansion);
    const std::string place = PathText(path);
    findings->Same(place, "problem", GetStringView(expansion->problem()), key);
    if (before != nullptr && path <= last)
      findings->Add(place, "path", "after " + PathText(last), "expansions in the order of their paths");
    if (expansion->candidates() == nullptr) {
      findings->Add(place, "candidates", "none", "a list");
    } else {
      for (flatbuffers::uoffset_t i = 0; i < expansion->candidates()->size(); ++i) {
        if (expansion->candidates()->Get(i)->text() == nullptr)
          findings->Add(fmt::format("{}#{}", place, i), "text", "none", "a text");
      }
    }
    if (!path.empty()) {
      const schema::Candidate* candidate = CandidateAt(record, path);
      if (candidate == nullptr || !candidate->valid())
        findings->Add(place, "path", candidate == nullptr ? "no candidate" : "an invalid candidate", "a valid one");
    }
    last = path;
    before = &last;
  }
}

void CheckNodes(const schema::TreeRecord& record, const search::Tree& tree, Findings* findings) {
  const std::vector<Path> paths = NodePaths(record);
  for (size_t i = 0; i < paths.size(); ++i) {
    const std::string place = PathText(paths[i]);
    const schema::TreeNode& node = *record.nodes()->Get(static_cast<flatbuffers::uoffset_t>(i));
    if (i > 0 && paths[i] <= paths[i - 1])
      findings->Add(place, "order", "after " + PathText(paths[i - 1]), "nodes in depth-first order");
    if (node.expansion() >= 0) {
      const Path at = PathOf(*record.expansions()->Get(static_cast<flatbuffers::uoffset_t>(node.expansion())));
      findings->Same(place, "expansion", PathText(at), place);
    }
    if (i == 0) continue;
    const schema::Candidate& candidate = *CandidateOf(record, static_cast<int>(i));
    if (!candidate.valid()) findings->Add(place, "candidate", "invalid", "valid");
    const bool answers = candidate.kind() == schema::StepKind::Answer;
    if (answers != (node.terminal() == schema::Terminal::Answered))
      findings->Add(place, "terminal", schema::EnumNameTerminal(node.terminal()),
                    answers ? "Answered" : "no answer, as its candidate is none");
    if (tree.nodes[static_cast<size_t>(node.parent())].end != search::End::kNone)
      findings->Add(place, "parent", "an end", "a node that goes on");
  }
  for (size_t i = 0; i < tree.rollouts.size(); ++i) {
    const search::Node& end = tree.nodes[static_cast<size_t>(tree.rollouts[i].node)];
    const std::string place = fmt::format("rollout {}", i);
    if (end.end == search::End::kNone) findings->Add(place, "end", "a node that goes on", "an end");
  }
}

std::string EndText(const RolloutEnd& end) {
  return fmt::format("{} {}{}", PathText(end.path), schema::EnumNameTerminal(end.end), end.right ? ", right" : "");
}

std::vector<RolloutEnd> RecordedEnds(const schema::TreeRecord& record, const search::Tree& tree) {
  const std::vector<Path> paths = NodePaths(record);
  std::vector<RolloutEnd> ends;
  for (const search::Rollout& rollout : tree.rollouts) {
    const auto node = static_cast<size_t>(rollout.node);
    ends.push_back({paths[node], record.nodes()->Get(static_cast<flatbuffers::uoffset_t>(node))->terminal(),
                    tree.nodes[node].right});
  }
  return ends;
}

void CheckValues(const schema::TreeRecord& record, const search::Tree& tree, const search::Rules& rules,
                 Findings* findings) {
  const std::vector<Path> paths = NodePaths(record);
  for (size_t i = 0; i < tree.rollouts.size(); ++i) {
    const search::Node& end = tree.nodes[static_cast<size_t>(tree.rollouts[i].node)];
    findings->Same(fmt::format("rollout {}", i), "value", tree.rollouts[i].value,
                   search::ValueOf(rules, end.end, end.right, end.score));
  }
  if (!findings->empty()) return;  // nodes follow from them
  search::Tree annotated = tree;
  search::Annotate(&annotated, rules);
  for (size_t i = 0; i < tree.nodes.size(); ++i) {
    findings->Same(PathText(paths[i]), "visits", tree.nodes[i].visits, annotated.nodes[i].visits);
    findings->Same(PathText(paths[i]), "value_sum", tree.nodes[i].value_sum, annotated.nodes[i].value_sum);
  }
  const bool solved = std::ranges::any_of(tree.rollouts, [&](const search::Rollout& rollout) {
    return tree.nodes[static_cast<size_t>(rollout.node)].right;
  });
  findings->Same("", "solved", record.solved(), solved);
}

// The first rollout that the rules lead elsewhere; those after it follow from it.
void CheckChoices(const std::vector<RolloutEnd>& ends, const Replay& replay, bool exhausted, Findings* findings) {
  for (size_t i = 0; i < std::max(ends.size(), replay.ends.size()); ++i) {
    const std::string was = i < ends.size() ? EndText(ends[i]) : "none";
    const std::string is = i < replay.ends.size() ? EndText(replay.ends[i]) : "none";
    if (was == is) continue;
    findings->Add(fmt::format("rollout {}", i), "end", was, is);
    return;
  }
  findings->Same("", "exhausted", exhausted, replay.exhausted);
}

TreeChunk Rebuilt(std::string_view key, const schema::TreeRecord& record, search::Rules rules, const Replay& replay) {
  reasoning::Problem problem;
  problem.question = GetStringView(record.question());
  problem.answer = GetStringView(record.answer());
  problem.source = GetStringView(record.source());
  problem.level = GetStringView(record.level());
  problem.checker = GetStringView(record.checker());
  problem.licence = GetStringView(record.licence());
  rules.rollouts = static_cast<int>(record.budget());
  rules.extra_rollouts_when_unsolved = static_cast<int>(record.extra_budget());
  rules.further_rollouts_when_unsolved = static_cast<int>(record.further_budget());
  std::map<Path, ExpansionChunk> expansions;
  for (const schema::Expansion* expansion : *record.expansions())
    expansions[PathOf(*expansion)] = ExtractExpansion(*expansion);
  return BuildTreeRecord({.key = std::string(key),
                          .problem = &problem,
                          .rules = &rules,
                          .exhausted = replay.exhausted,
                          .in_words = record.in_words()},
                         replay.ends, expansions);
}

}  // namespace

std::string PathText(const Path& path) { return fmt::format("/{}", fmt::join(path, "/")); }

std::vector<Finding> CheckShape(std::string_view key, const schema::TreeRecord& record) {
  Findings findings;
  findings.Same("", "problem", GetStringView(record.problem()), key);
  if (record.nodes() == nullptr || record.nodes()->size() == 0) findings.Add("", "nodes", "none", "a root");
  if (record.expansions() == nullptr) findings.Add("", "expansions", "none", "a list");
  if (!findings.empty()) return findings.Take();
  const auto tree = ToSearchTree(record);
  if (!tree.ok()) {
    findings.Add("", "tree", Message(tree.status()), "a tree");
    return findings.Take();
  }
  CheckExpansions(key, record, &findings);
  CheckNodes(record, *tree, &findings);
  return findings.Take();
}

std::vector<Finding> CheckTree(std::string_view key, const TreeChunk& tree, const search::Rules& rules) {
  std::vector<Finding> found = CheckShape(key, *tree);
  if (!found.empty()) return found;
  const search::Tree plain = *ToSearchTree(*tree);
  Findings findings;
  CheckValues(*tree, plain, rules, &findings);
  const Replay replay = ReplaySearch(*tree, rules);
  CheckChoices(RecordedEnds(*tree, plain), replay, tree->exhausted(), &findings);
  if (findings.empty() && Rebuilt(key, *tree, rules, replay).bytes() != tree.bytes())
    findings.Add("", "bytes", fmt::format("{} bytes", tree.bytes().size()), "those that its own parts make");
  return findings.Take();
}

}  // namespace orrery::store
