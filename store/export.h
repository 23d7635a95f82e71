// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a campaign leaves for training: trajectories.jsonl and preferences.jsonl, one JSON object a line, in the order
// of the problems.
//
// The same records, problems and options give the same bytes.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "reasoning/step.h"
#include "search/tree.h"
#include "store/store.h"

namespace orrery::store {

// A problem of the campaign: its id as the user knows it, and its key in the store.
struct ProblemName {
  std::string id;
  std::string key;
};

struct ExportOptions {
  std::string fingerprint;
  // What a fine-tuned policy reads before a solution (METHODS A1). The solution's opening begins the completion; a
  // prompt that ends with it is cut there.
  std::function<std::string(const std::string& question, reasoning::StepForm steps)> prompt;
  size_t output_limit = 4096;  // bytes of program output in a partial solution: the campaign's
  int best_trajectories = 2;   // of each problem
  search::PairRules pairs;
};

// What a training reads before a solution of this record's problem.
std::string TrainingPrompt(const ExportOptions& options, const schema::TreeRecord& record);
// The steps of a path as a training reads them: the opening and the solution. `nodes` begins at the root's child.
std::string TrainingText(const ExportOptions& options, const schema::TreeRecord& record, const std::vector<int>& nodes);

struct ExportCounts {
  uint64_t problems = 0;  // with a finished tree
  uint64_t trajectories = 0;
  uint64_t preferences = 0;
};

// {problem, source, level, question, prompt, completion, answer, mean_q, min_q, steps, failed_steps, right_share,
// fingerprint} of the best right trajectories. prompt + completion is the whole text; `failed_steps` counts tolerated
// ones; `score` is there where a reward model gave the solution one; `right_share` is the share of the problem's
// rollouts that were right. {problem, source, question, prompt, chosen, rejected, q_chosen, q_rejected, whole,
// right_share, fingerprint} of the preference pairs: prompt is the question and the steps that both share; of whole
// trajectories the question alone, chosen and rejected then being completions. Problems without a finished tree are
// passed over. Both files are replaced at once each, so that a reader never sees half of one.
StatusOr<ExportCounts> ExportTraining(const Store& store, const std::vector<ProblemName>& problems,
                                      const ExportOptions& options, const std::filesystem::path& trajectories,
                                      const std::filesystem::path& preferences);

// SHA-256 (hexadecimal) over key and record of every finished tree, in the order given. Equal digests: the same search,
// bit for bit.
StatusOr<std::string> Digest(const Store& store, const std::vector<ProblemName>& problems);

}  // namespace orrery::store
