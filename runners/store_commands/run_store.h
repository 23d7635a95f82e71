// SPDX-License-Identifier: Apache-2.0
#pragma once

// A run's store for the subcommands that look into it: opened, its problems found by name.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "search/rules.h"
#include "search/tree.h"
#include "store/store.h"

namespace orrery::runners {

inline constexpr size_t kOutputLimit = 4096;  // bytes of program output in a partial solution: actors/context.h

// `run` is the folder of a run. With kPassOver a damaged store is opened as far as it can be; Store::damage says so.
StatusOr<std::unique_ptr<store::Store>> OpenRun(const std::filesystem::path& run,
                                                store::OnDamage on_damage = store::OnDamage::kRefuse);

// What the files of a run's store take.
uint64_t DiskBytes(const std::filesystem::path& run);

// A problem's id as its file has it, from its key in the store.
std::string_view ProblemId(std::string_view key);

struct NamedTree {
  std::string key;
  store::TreeChunk tree;
};

// The finished tree of a problem named by its key, its id, or a beginning that only one has. NotFound or InvalidInput
// tell what there is.
StatusOr<NamedTree> FindTree(const store::Store& store, std::string_view name);

// Every finished tree that can be read, in the order of keys, with its plain form. What cannot be read, and what
// opening passed over, is told on standard error and counted. The callback returns false to end early.
using VisitReadable =
    std::function<bool(std::string_view key, const store::TreeChunk& tree, const search::Tree& plain)>;
StatusOr<uint64_t> VisitTrees(const store::Store& store, const VisitReadable& visit);

// The rules that a run searched by, from its config.json.
StatusOr<search::Rules> RulesOfRun(const std::filesystem::path& run);

}  // namespace orrery::runners
