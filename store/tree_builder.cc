// SPDX-License-Identifier: Apache-2.0
#include "store/tree_builder.h"

#include <algorithm>
#include <iterator>

#include "schema/builder.h"
#include "store/copy.h"

namespace orrery::store {
namespace {

using schema::Candidate;

// A node of the record before it is one: visited places by path, which in this order is depth-first with children by
// candidate index.
struct Place {
  int index = 0;
  schema::Terminal end = schema::Terminal::None;
  bool right = false;
};
using Places = std::map<Path, Place>;

Places Visited(const std::vector<RolloutEnd>& ends) {
  Places places;
  places[{}];
  for (const RolloutEnd& end : ends) {
    for (size_t length = 1; length <= end.path.size(); ++length)
      places[Path(end.path.begin(), end.path.begin() + static_cast<ptrdiff_t>(length))];
    places[end.path].end = end.end;
    places[end.path].right = end.right;
  }
  int index = 0;
  for (auto& [path, place] : places) place.index = index++;
  return places;
}

const Candidate* CandidateAt(const Path& path, const std::map<Path, ExpansionChunk>& expansions) {
  const auto parent = expansions.find(Path(path.begin(), std::prev(path.end())));
  return parent == expansions.end() ? nullptr : parent->second->candidates()->Get(path.back());
}

std::optional<double> ScoreOf(const Candidate& candidate) {
  return candidate.score() ? std::optional<double>(*candidate.score()) : std::nullopt;
}

search::Tree Shape(const search::Rules& rules, const Places& places, const std::vector<RolloutEnd>& ends,
                   const std::map<Path, ExpansionChunk>& expansions) {
  search::Tree tree;
  for (const auto& [path, place] : places) {
    search::Node& node = tree.nodes.emplace_back();
    node.end = EndOf(place.end);
    node.right = place.right;
    if (path.empty()) continue;
    node.parent = places.at(Path(path.begin(), std::prev(path.end()))).index;
    node.candidate = path.back();
    if (const Candidate* candidate = CandidateAt(path, expansions)) {
      node.tolerated = candidate->tolerated_errors() > 0;
      node.score = ScoreOf(*candidate);
      node.text = candidate->text()->string_view();
    }
  }
  for (const RolloutEnd& end : ends) {
    tree.rollouts.push_back(
        {.node = places.at(end.path).index, .value = search::ValueOf(rules, EndOf(end.end), end.right, end.score)});
  }
  return tree;
}

}  // namespace

search::End EndOf(schema::Terminal end) {
  switch (end) {
    case schema::Terminal::Answered: return search::End::kAnswered;
    case schema::Terminal::DeadEnd: return search::End::kDeadEnd;
    case schema::Terminal::DepthLimit: return search::End::kDepthLimit;
    case schema::Terminal::None: break;
  }
  return search::End::kNone;
}

bool OfBudget(const schema::TreeRecord& record, const search::Rules& rules) {
  return record.budget() == static_cast<uint32_t>(rules.rollouts) &&
         record.extra_budget() == static_cast<uint32_t>(rules.extra_rollouts_when_unsolved) &&
         record.further_budget() == static_cast<uint32_t>(rules.further_rollouts_when_unsolved);
}

TreeChunk BuildTreeRecord(const TreeSetting& setting, const std::vector<RolloutEnd>& ends,
                          const std::map<Path, ExpansionChunk>& expansions) {
  const Places places = Visited(ends);
  search::Tree tree = Shape(*setting.rules, places, ends, expansions);
  search::Annotate(&tree, *setting.rules);

  schema::Builder builder(64 * 1024);
  std::vector<flatbuffers::Offset<schema::Expansion>> expansion_offsets;
  std::map<Path, int> expansion_index;
  for (const auto& [path, expansion] : expansions) {
    expansion_index[path] = static_cast<int>(expansion_offsets.size());
    expansion_offsets.push_back(CopyExpansion(builder, *expansion));
  }
  std::vector<flatbuffers::Offset<schema::TreeNode>> nodes;
  for (const auto& [path, place] : places) {
    const search::Node& node = tree.nodes[static_cast<size_t>(place.index)];
    const auto expansion = expansion_index.find(path);
    nodes.push_back(schema::CreateTreeNode(builder, node.parent, static_cast<uint8_t>(node.candidate),
                                           expansion == expansion_index.end() ? -1 : expansion->second, place.end,
                                           node.visits, node.value_sum));
  }
  std::vector<flatbuffers::Offset<schema::Rollout>> rollouts;
  for (const search::Rollout& rollout : tree.rollouts)
    rollouts.push_back(schema::CreateRollout(builder, rollout.node, rollout.value));
  const bool solved = std::any_of(ends.begin(), ends.end(), [](const RolloutEnd& end) { return end.right; });

  const auto& problem = *setting.problem;
  const auto key = builder.CreateString(setting.key);
  const auto question = builder.CreateString(problem.question);
  const auto answer = builder.CreateString(problem.answer);
  const auto source = builder.CreateString(problem.source);
  const auto level = builder.CreateString(problem.level);
  flatbuffers::Offset<flatbuffers::String> checker;
  if (!problem.checker.empty()) checker = builder.CreateString(problem.checker);
  flatbuffers::Offset<flatbuffers::String> licence;
  if (!problem.licence.empty()) licence = builder.CreateString(problem.licence);
  builder.Finish(schema::CreateTreeRecord(
      builder, key, question, answer, source, level, builder.CreateVector(nodes),
      builder.CreateVector(expansion_offsets), builder.CreateVector(rollouts), solved,
      static_cast<uint32_t>(setting.rules->rollouts),
      static_cast<uint32_t>(setting.rules->extra_rollouts_when_unsolved), setting.exhausted, checker,
      static_cast<uint32_t>(setting.rules->further_rollouts_when_unsolved), licence, setting.in_words));
  return TreeChunk(std::move(builder));
}

}  // namespace orrery::store
