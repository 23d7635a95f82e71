// SPDX-License-Identifier: Apache-2.0
#pragma once

// A training's state on disk: named arrays of float32 and the step, in a folder that is replaced as a whole.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace orrery::model {

struct CheckpointState {
  std::string identity;  // of everything that the training depends on
  int64_t step = 0;
};

struct CheckpointArray {
  std::string name;
  std::span<float> values;
};

// Writes beside `folder`, flushes, and puts it in the old one's place: a reader finds one of the two, whole. On an
// error (a full disk) the old one stays.
Status SaveCheckpoint(const std::filesystem::path& folder, const CheckpointState& state,
                      const std::vector<CheckpointArray>& arrays);

// Fills the arrays. NotFound if there is none; InvalidInput if it is another training's or another model's; Corrupt if
// its bytes are not those that were written.
StatusOr<CheckpointState> LoadCheckpoint(const std::filesystem::path& folder, const std::string& identity,
                                         const std::vector<CheckpointArray>& arrays);

}  // namespace orrery::model
