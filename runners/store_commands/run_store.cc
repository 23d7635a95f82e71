// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/run_store.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/paths.h"
#include "runners/common/settings.h"
#include "store/convert.h"

namespace orrery::runners {

StatusOr<std::unique_ptr<store::Store>> OpenRun(const std::filesystem::path& run, store::OnDamage on_damage) {
  std::error_code error;
  if (!std::filesystem::is_directory(run, error))
    return NotFound("{}: no such folder; the folder of a run was expected", run.string());
  return store::Store::OpenReadOnly(run / "store", on_damage);
}

uint64_t DiskBytes(const std::filesystem::path& run) {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(run / "store", error)) {
    const auto size = entry.is_regular_file(error) ? entry.file_size(error) : 0;
    if (!error) bytes += size;
  }
  return bytes;
}

std::string_view ProblemId(std::string_view key) {
  // actors/context.h: ID#HASH, the hash of 16 digits.
  constexpr size_t kHash = 17;
  if (key.size() <= kHash || key[key.size() - kHash] != '#') return key;
  const std::string_view hash = key.substr(key.size() - kHash + 1);
  const bool digits = std::ranges::all_of(hash, [](char c) { return std::isxdigit(static_cast<unsigned char>(c)); });
  return digits ? key.substr(0, key.size() - kHash) : key;
}

StatusOr<NamedTree> FindTree(const store::Store& store, std::string_view name) {
  constexpr size_t kShown = 8;
  ORRERY_ASSIGN_OR_RETURN(std::vector<std::string> keys, store.ProblemsBeginningWith(name, kShown + 1));
  std::vector<std::string> exact;
  std::ranges::copy_if(keys, std::back_inserter(exact),
                       [&](const std::string& key) { return key == name || ProblemId(key) == name; });
  if (exact.empty()) {
    // Ids that go on after the name's can stand before its own key.
    ORRERY_ASSIGN_OR_RETURN(exact, store.ProblemsBeginningWith(std::string(name) + "#", kShown + 1));
    std::erase_if(exact, [&](const std::string& key) { return ProblemId(key) != name; });
  }
  if (!exact.empty()) keys = exact;
  if (keys.empty()) {
    ORRERY_ASSIGN_OR_RETURN(const auto first, store.ProblemsBeginningWith("", 3));
    return NotFound("problem {}: no finished tree of it in this store, which has {} ...; ls lists them", name,
                    first.empty() ? "none" : fmt::format("{}", fmt::join(first, ", ")));
  }
  if (keys.size() > 1) {
    const bool more = keys.size() > kShown;
    if (more) keys.resize(kShown);
    return InvalidInput("problem {}: more than one begins so: {}{}", name, fmt::join(keys, ", "), more ? ", ..." : "");
  }
  ORRERY_ASSIGN_OR_RETURN(std::optional<store::TreeChunk> tree, store.Tree(keys[0]));
  if (!tree) return NotFound("problem {}: its tree is gone", name);
  return NamedTree{keys[0], *std::move(tree)};
}

StatusOr<uint64_t> VisitTrees(const store::Store& store, const VisitReadable& visit) {
  uint64_t unreadable = 0;
  const auto tell = [&](const std::string& what) {
    ++unreadable;
    fmt::print(stderr, "store: {}\n", what);
  };
  if (!store.damage().ok()) tell(Message(store.damage()));
  ORRERY_RETURN_IF_ERROR(store.ForEachReadableTree([&](std::string_view key, const StatusOr<store::TreeChunk>& tree) {
    if (!tree.ok()) {
      tell(fmt::format("at problem {}: {}", key.empty() ? "(the first)" : key, Message(tree.status())));
      return true;
    }
    const auto plain = store::ToSearchTree(**tree);
    if (plain.ok()) return visit(key, *tree, *plain);
    tell(Message(plain.status()));
    return true;
  }));
  return unreadable;
}

StatusOr<search::Rules> RulesOfRun(const std::filesystem::path& run) {
  ORRERY_ASSIGN_OR_RETURN(const auto text, ReadFile(run / "config.json"));
  ORRERY_ASSIGN_OR_RETURN(const auto config, schema::ParseConfig(text, (run / "config.json").string()));
  ORRERY_ASSIGN_OR_RETURN(const auto resolved, ApplyPreset(config));
  return RulesOf(*resolved->search());
}

}  // namespace orrery::runners
