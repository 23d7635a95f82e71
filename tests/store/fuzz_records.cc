// SPDX-License-Identifier: Apache-2.0

// Any bytes as a stored tree record: an error, or a tree whose trajectories, pairs and texts can be made.

#include <memory>
#include <string>

#include "store/convert.h"
#include "tests/model/fuzz.h"
#include "tests/store/made_tree.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace orrery;
  const auto record = store::TreeChunk::Verified({reinterpret_cast<const char*>(data), size});
  if (!record.ok()) return 0;
  const auto tree = store::ToSearchTree(**record);
  if (!tree.ok()) return 0;
  size_t text = 0;
  for (const auto& trajectory : search::BestTrajectories(*tree)) {
    text += store::SolutionText(**record, trajectory.nodes, 100).size();
    text += store::PrintedBy(**record, trajectory.nodes).size();
  }
  for (const auto& pair : search::PreferencePairs(*tree, {})) {
    // Both sides name nodes of the tree.
    if (pair.chosen.empty() || pair.rejected.empty()) std::abort();
  }
  return text > (size_t{1} << 40) ? 1 : 0;
}

#ifndef ORRERY_LIBFUZZER
int main() {
  const auto made = orrery::store::MadeTree("p");
  const auto small = orrery::store::MakeTree("q", {});
  return orrery::fuzz::Drive({std::string(made.bytes()), std::string(small.bytes())}, 100000);
}
#endif
