// SPDX-License-Identifier: Apache-2.0
#include "store/convert.h"

#include "reasoning/step.h"
#include "store/tree_builder.h"

namespace orrery::store {

namespace {

Status CheckNode(const schema::TreeRecord& record, int index) {
  const schema::TreeNode& node = *record.nodes()->Get(index);
  const int expansions = record.expansions() == nullptr ? 0 : static_cast<int>(record.expansions()->size());
  const auto wrong = [&](std::string_view what) {
    return Corrupt("record of problem {}, node {}: {}", GetStringView(record.problem()), index, what);
  };
  if (node.expansion() >= expansions) return wrong("its expansion is not in the record");
  if (index == 0) return node.parent() == -1 ? absl::OkStatus() : wrong("the root has a parent");
  if (node.parent() < 0 || node.parent() >= index) return wrong("its parent does not come before it");
  if (CandidateOf(record, index) == nullptr) return wrong("its candidate is not in its parent's expansion");
  return absl::OkStatus();
}

}  // namespace

const schema::Candidate* CandidateOf(const schema::TreeRecord& record, int node) {
  const schema::TreeNode& child = *record.nodes()->Get(node);
  if (child.parent() < 0) return nullptr;
  const int expansion = record.nodes()->Get(child.parent())->expansion();
  if (expansion < 0) return nullptr;
  const auto* candidates = record.expansions()->Get(expansion)->candidates();
  return candidates == nullptr || child.candidate() >= candidates->size() ? nullptr
                                                                          : candidates->Get(child.candidate());
}

StatusOr<search::Tree> ToSearchTree(const schema::TreeRecord& record) {
  search::Tree tree;
  const int count = record.nodes() == nullptr ? 0 : static_cast<int>(record.nodes()->size());
  for (int i = 0; i < count; ++i) {
    ORRERY_RETURN_IF_ERROR(CheckNode(record, i));
    const schema::TreeNode& from = *record.nodes()->Get(i);
    search::Node node;
    node.parent = from.parent();
    node.candidate = from.candidate();
    node.end = EndOf(from.terminal());
    node.visits = from.visits();
    node.value_sum = from.value_sum();
    if (const schema::Candidate* candidate = CandidateOf(record, i)) {
      node.text = GetStringView(candidate->text());
      node.tolerated = candidate->tolerated_errors() > 0;
      if (candidate->score()) node.score = *candidate->score();
      node.right = node.end == search::End::kAnswered && candidate->grade() == schema::Grade::Equal;
    }
    tree.nodes.push_back(node);
  }
  if (record.rollouts() == nullptr) return tree;
  for (const schema::Rollout* rollout : *record.rollouts()) {
    if (rollout->node() < 0 || rollout->node() >= count)
      return Corrupt("record of problem {}: a rollout ends at no node", GetStringView(record.problem()));
    tree.rollouts.push_back({.node = rollout->node(), .value = rollout->value()});
  }
  return tree;
}

std::string PrintedBy(const schema::TreeRecord& record, const std::vector<int>& nodes) {
  std::string printed;
  for (int node : nodes) {
    const schema::Candidate* candidate = CandidateOf(record, node);
    if (candidate->verdict() == schema::Verdict::Ok) printed += GetStringView(candidate->output());
  }
  return printed;
}

std::string SolutionText(const schema::TreeRecord& record, const std::vector<int>& nodes, size_t output_limit) {
  std::vector<reasoning::Step> steps;
  for (int node : nodes) {
    const schema::Candidate* candidate = CandidateOf(record, node);
    reasoning::Step& step = steps.emplace_back();
    step.text = GetStringView(candidate->text());
    if (candidate->kind() == schema::StepKind::FinalCode) step.kind = reasoning::StepKind::kFinalCode;
    if (candidate->kind() == schema::StepKind::Answer) step.kind = reasoning::StepKind::kAnswer;
    if (candidate->kind() == schema::StepKind::Words) step.kind = reasoning::StepKind::kWords;
  }
  return reasoning::PartialSolution(steps, PrintedBy(record, nodes), output_limit);
}

}  // namespace orrery::store
