// SPDX-License-Identifier: Apache-2.0

// Any bytes as a stored tree record: an error, or a tree whose trajectories, pairs and texts can be made, and which can
// be checked and compared.

#include <memory>
#include <string>

#include "store/check.h"
#include "store/compare.h"
#include "store/convert.h"
#include "store/training_sets.h"
#include "tests/model/fuzz.h"
#include "tests/store/searched_tree.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace orrery;
  const auto record = store::TreeChunk::Verified({reinterpret_cast<const char*>(data), size});
  if (!record.ok()) return 0;
  search::Rules rules;
  rules.wave = 2;
  const bool sound = store::CheckTree("p#1", *record, rules).empty();
  const auto search = store::SearchOf(**record);
  if (store::FirstParting(search, search)) std::abort();
  if (store::OtherDifferences(**record, **record).size() != 1) std::abort();
  const auto tree = store::ToSearchTree(**record);
  if (!tree.ok()) {
    if (sound) std::abort();
    return 0;
  }
  size_t text = 0;
  for (const auto format :
       {store::SetFormat::kSft, store::SetFormat::kPreferences, store::SetFormat::kKto, store::SetFormat::kStepwise}) {
    store::SetOptions options;
    options.format = format;
    options.texts.prompt = [](const std::string& question, reasoning::StepForm) { return question; };
    for (const std::string& row : store::RowsOf("p", **record, *tree, options)) text += row.size();
  }
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
  orrery::search::Rules rules;
  rules.wave = 2;
  const auto searched = orrery::store::Searched(rules);
  return orrery::fuzz::Drive({std::string(made.bytes()), std::string(small.bytes()), std::string(searched.bytes())},
                             100000);
}
#endif
