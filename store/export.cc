// SPDX-License-Identifier: Apache-2.0
#include "store/export.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "store/convert.h"

namespace orrery::store {

namespace {

using Json = nlohmann::ordered_json;

reasoning::StepForm StepsOf(const schema::TreeRecord& record) {
  return record.in_words() ? reasoning::StepForm::kWords : reasoning::StepForm::kCode;
}

std::string Line(const Json& object) { return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

// Of the rollouts that came to an end, those that found the right answer.
double RightShare(const search::Tree& tree) {
  const auto right = std::ranges::count_if(
      tree.rollouts, [&](const auto& rollout) { return tree.nodes[static_cast<size_t>(rollout.node)].right; });
  return tree.rollouts.empty() ? 0 : static_cast<double>(right) / static_cast<double>(tree.rollouts.size());
}

void AddTrajectories(const ProblemName& problem, const schema::TreeRecord& record, const search::Tree& tree,
                     const ExportOptions& options, std::string* lines, uint64_t* count) {
  for (const search::Trajectory& trajectory : search::BestTrajectories(tree, options.best_trajectories)) {
    const auto failed =
        std::count_if(trajectory.nodes.begin(), trajectory.nodes.end(), [&](int i) { return tree.nodes[i].tolerated; });
    Json object;
    object["problem"] = problem.id;
    object["source"] = GetStringView(record.source());
    object["level"] = GetStringView(record.level());
    object["question"] = GetStringView(record.question());
    object["prompt"] = TrainingPrompt(options, record);
    object["completion"] = TrainingText(options, record, trajectory.nodes);
    object["answer"] = GetStringView(CandidateOf(record, trajectory.nodes.back())->answer());
    if (const auto& score = tree.nodes[static_cast<size_t>(trajectory.nodes.back())].score) object["score"] = *score;
    object["mean_q"] = trajectory.mean_q;
    object["min_q"] = trajectory.min_q;
    object["steps"] = trajectory.nodes.size();
    object["failed_steps"] = failed;
    object["right_share"] = RightShare(tree);
    object["fingerprint"] = options.fingerprint;
    *lines += Line(object);
    ++*count;
  }
}

void AddPreferences(const ProblemName& problem, const schema::TreeRecord& record, const search::Tree& tree,
                    const ExportOptions& options, std::string* lines, uint64_t* count) {
  for (const search::PreferencePair& pair : search::PreferencePairs(tree, options.pairs)) {
    const auto side = [&](const std::vector<int>& nodes) {
      return pair.whole ? TrainingText(options, record, nodes)
                        : std::string(GetStringView(CandidateOf(record, nodes.back())->text()));
    };
    Json object;
    object["problem"] = problem.id;
    object["source"] = GetStringView(record.source());
    object["question"] = GetStringView(record.question());
    object["prompt"] = TrainingPrompt(options, record) + (pair.whole ? "" : TrainingText(options, record, pair.prefix));
    object["chosen"] = side(pair.chosen);
    object["rejected"] = side(pair.rejected);
    object["q_chosen"] = pair.q_chosen;
    object["q_rejected"] = pair.q_rejected;
    object["whole"] = pair.whole;
    object["right_share"] = RightShare(tree);
    object["fingerprint"] = options.fingerprint;
    *lines += Line(object);
    ++*count;
  }
}

}  // namespace

std::string TrainingPrompt(const ExportOptions& options, const schema::TreeRecord& record) {
  std::string prompt = options.prompt(std::string(GetStringView(record.question())), StepsOf(record));
  const std::string_view opening = reasoning::Opening(StepsOf(record));
  if (prompt.ends_with(opening)) prompt.resize(prompt.size() - opening.size());
  return prompt;
}

std::string TrainingText(const ExportOptions& options, const schema::TreeRecord& record,
                         const std::vector<int>& nodes) {
  return std::string(reasoning::Opening(StepsOf(record))) + SolutionText(record, nodes, options.output_limit);
}

StatusOr<ExportCounts> ExportTraining(const Store& store, const std::vector<ProblemName>& problems,
                                      const ExportOptions& options, const std::filesystem::path& trajectories,
                                      const std::filesystem::path& preferences) {
  ExportCounts counts;
  ORRERY_ASSIGN_OR_RETURN(AtomicFile trajectory_file, AtomicFile::Create(trajectories));
  ORRERY_ASSIGN_OR_RETURN(AtomicFile preference_file, AtomicFile::Create(preferences));
  for (const ProblemName& problem : problems) {
    ORRERY_ASSIGN_OR_RETURN(const auto record, store.Tree(problem.key));
    if (!record) continue;
    ORRERY_ASSIGN_OR_RETURN(const search::Tree tree, ToSearchTree(**record));
    ++counts.problems;
    std::string lines;
    AddTrajectories(problem, **record, tree, options, &lines, &counts.trajectories);
    ORRERY_RETURN_IF_ERROR(trajectory_file.Write(lines));
    lines.clear();
    AddPreferences(problem, **record, tree, options, &lines, &counts.preferences);
    ORRERY_RETURN_IF_ERROR(preference_file.Write(lines));
  }
  ORRERY_RETURN_IF_ERROR(trajectory_file.Commit());
  ORRERY_RETURN_IF_ERROR(preference_file.Commit());
  return counts;
}

StatusOr<std::string> Digest(const Store& store, const std::vector<ProblemName>& problems) {
  Sha256 hash;
  for (const ProblemName& problem : problems) {
    ORRERY_ASSIGN_OR_RETURN(const auto record, store.Tree(problem.key));
    if (!record) continue;
    hash.UpdateSized(problem.key);
    hash.UpdateSized(record->bytes());
  }
  return Hex(hash.Finish());
}

}  // namespace orrery::store
