// SPDX-License-Identifier: Apache-2.0
#pragma once

// store show and store tree: one problem's search as a person reads it.

#include <filesystem>
#include <string>

#include "base/status.h"

namespace orrery::runners {

struct ShowOptions {
  std::filesystem::path run;  // the folder of a run
  std::string problem;        // its id, its key in the store, or a beginning that only one has
  int trajectories = 2;       // show: the best right ones; where none is right, wrong ones
  bool all = false;           // tree: candidates that no rollout visited too
};

// Question, answer and the best trajectories as text.
StatusOr<int> ShowProblem(const ShowOptions& options);

// The tree in lines: visits N, mean value Q, verdict, grade, the step's first words.
StatusOr<int> ShowTree(const ShowOptions& options);

}  // namespace orrery::runners
