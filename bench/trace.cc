// SPDX-License-Identifier: Apache-2.0
#include "bench/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/paths.h"
#include "model/tokenizer/prompt_tokens.h"
#include "reasoning/step.h"
#include "runners/common/settings.h"
#include "schema/config.h"

namespace orrery::bench {
namespace {

using store::Path;

// Bytes of a program's output that enter a prompt, as in a campaign.
constexpr size_t kOutputLimit = 4096;

class TreeReader {
 public:
  TreeReader(const schema::TreeRecord& tree, const model::Tokenizer& tokenizer) : tree_(tree), tokenizer_(tokenizer) {
    if (tree.expansions() == nullptr) return;
    for (const auto* expansion : *tree.expansions()) expansions_[store::PathOf(*expansion)] = expansion;
  }

  // The paths of the nodes that were expanded, each as early as a rollout came there.
  StatusOr<std::vector<Path>> Order() const {
    std::vector<Path> order;
    std::map<Path, bool> seen;
    const auto* nodes = tree_.nodes();
    if (nodes == nullptr || tree_.rollouts() == nullptr) return order;
    for (const auto* rollout : *tree_.rollouts()) {
      ORRERY_ASSIGN_OR_RETURN(const Path end, PathTo(rollout->node()));
      for (size_t length = 0; length <= end.size(); ++length) {
        const Path path(end.begin(), end.begin() + static_cast<ptrdiff_t>(length));
        if (expansions_.contains(path) && !std::exchange(seen[path], true)) order.push_back(path);
      }
    }
    return order;
  }

  // The tokens of the partial solution at a node, as rollouts encode it: step by step.
  StatusOr<std::vector<model::TokenId>> Solution(const Path& path) const {
    std::vector<model::TokenId> tokens;
    std::string printed;
    for (size_t depth = 0; depth < path.size(); ++depth) {
      const auto found = expansions_.find(Path(path.begin(), path.begin() + static_cast<ptrdiff_t>(depth)));
      const auto* candidates = found == expansions_.end() ? nullptr : found->second->candidates();
      if (candidates == nullptr || path[depth] >= candidates->size())
        return Corrupt("an expansion's path takes candidate {} at depth {}, where there is none", path[depth], depth);
      const schema::Candidate& candidate = *candidates->Get(path[depth]);
      if (candidate.verdict() == schema::Verdict::Ok) printed += GetString(candidate.output());
      std::string text = GetString(candidate.text());
      if (candidate.kind() == schema::StepKind::FinalCode) text += reasoning::OutputBlock(printed, kOutputLimit);
      model::AppendStep(tokenizer_, text, tokens);
    }
    return tokens;
  }

  // New tokens of each sample; those of one text count as equally long.
  std::vector<int> Lengths(const Path& path) const {
    std::vector<int> lengths;
    const auto* candidates = expansions_.at(path)->candidates();
    for (flatbuffers::uoffset_t i = 0; candidates != nullptr && i < candidates->size(); ++i) {
      const int merged = std::max<int>(1, candidates->Get(i)->merged());
      const int each = static_cast<int>(candidates->Get(i)->tokens()) / merged;
      lengths.insert(lengths.end(), static_cast<size_t>(merged), std::max(1, each));
    }
    return lengths;
  }

 private:
  StatusOr<Path> PathTo(int node) const {
    Path path;
    const auto* nodes = tree_.nodes();
    const int count = static_cast<int>(nodes->size());
    for (int steps = 0; steps <= count; ++steps) {
      if (node < 0 || node >= count) return Corrupt("a rollout ends at node {}; expected 0 to {}", node, count - 1);
      const int parent = nodes->Get(static_cast<flatbuffers::uoffset_t>(node))->parent();
      if (parent < 0) {
        std::reverse(path.begin(), path.end());
        return path;
      }
      path.push_back(nodes->Get(static_cast<flatbuffers::uoffset_t>(node))->candidate());
      node = parent;
    }
    return Corrupt("a node of the tree is its own ancestor");
  }

  const schema::TreeRecord& tree_;
  const model::Tokenizer& tokenizer_;
  std::map<Path, const schema::Expansion*> expansions_;
};

}  // namespace

StatusOr<std::vector<WorkGroup>> TreeRequests(const schema::TreeRecord& tree, const model::Tokenizer& tokenizer,
                                              const std::vector<model::TokenId>& head, int expansions) {
  const TreeReader reader(tree, tokenizer);
  ORRERY_ASSIGN_OR_RETURN(const std::vector<Path> order, reader.Order());
  std::vector<WorkGroup> groups;
  for (const Path& path : order) {
    if (expansions > 0 && static_cast<int>(groups.size()) == expansions) break;
    WorkGroup group{.tokens = head, .lengths = reader.Lengths(path)};
    if (group.lengths.empty()) continue;
    ORRERY_ASSIGN_OR_RETURN(const auto solution, reader.Solution(path));
    group.tokens.insert(group.tokens.end(), solution.begin(), solution.end());
    groups.push_back(std::move(group));
  }
  return groups;
}

StatusOr<Workload> ReadTrace(const TraceOptions& options, const WorkMaker& maker, const model::ModelSource& source) {
  const auto configuration = options.run / "config.json";
  ORRERY_ASSIGN_OR_RETURN(const auto text, ReadFile(configuration));
  ORRERY_ASSIGN_OR_RETURN(const auto config, schema::ParseConfig(text, configuration.string()));
  ORRERY_ASSIGN_OR_RETURN(const auto prompt, runners::PromptOf(*config->search(), &source));
  ORRERY_ASSIGN_OR_RETURN(const auto store, store::Store::OpenReadOnly(options.run / "store"));

  Workload workload;
  int trees = 0;
  Status failure;
  ORRERY_RETURN_IF_ERROR(store->ForEachTree([&](std::string_view problem, const store::TreeChunk& tree) {
    std::vector<model::TokenId> head = Text(*maker.tokenizer, 8, maker.salt);
    const auto question =
        model::EncodePrompt(*maker.tokenizer, reasoning::Prompt(prompt, {.question = GetString(tree->question())}));
    head.insert(head.end(), question.begin(), question.end());
    auto groups = TreeRequests(*tree, *maker.tokenizer, head, options.expansions);
    if (!groups.ok()) failure = Annotate(groups.status(), problem);
    if (!groups.ok()) return false;
    for (size_t i = 0; i < groups->size(); ++i) {
      (*groups)[i].after = i == 0 ? -1 : static_cast<int>(workload.groups.size()) - 1;
      workload.groups.push_back(std::move((*groups)[i]));
    }
    return ++trees != options.trees;
  }));
  ORRERY_RETURN_IF_ERROR(failure);
  if (workload.groups.empty()) return InvalidInput("{}: no finished tree", options.run.string());
  size_t samples = 0;
  for (const auto& group : workload.groups) samples += group.lengths.size();
  workload.conditions =
      fmt::format("{} trees of a recorded campaign side by side, {} expansions, {} samples, {} new tokens", trees,
                  workload.groups.size(), samples, NewTokens(workload));
  return workload;
}

}  // namespace orrery::bench
