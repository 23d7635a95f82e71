// SPDX-License-Identifier: Apache-2.0
#include "actors/meters.h"

namespace orrery::actors {

std::string_view Name(Kind kind) {
  static constexpr std::array<std::string_view, kKinds> kNames = {
      "campaign",     "tree",    "node",        "rollout", "router",  "batcher",
      "sandbox_pool", "sandbox", "grader_pool", "grader",  "journal", "telemetry"};
  return kNames[static_cast<size_t>(kind)];
}

}  // namespace orrery::actors
