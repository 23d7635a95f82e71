// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "model/registry/fetch.h"
#include "model/registry/registry.h"

namespace orrery::model {
namespace fs = std::filesystem;
namespace {

fs::path StampPath(const fs::path& model) { return model.string() + ".verified"; }

// What is written once the file's hash was found right: it holds as long as size and time of change are the same.
std::string Stamp(const ModelEntry& entry, const fs::path& path) {
  std::error_code error;
  const auto changed = fs::last_write_time(path, error).time_since_epoch().count();
  return nlohmann::json{{"sha256", entry.sha256}, {"size", entry.size}, {"changed", changed}}.dump() + "\n";
}

Status CheckCached(const ModelEntry& entry, const fs::path& path) {
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  const std::string remedy = "; remove it, and it will be fetched again";
  if (error || size != entry.size)
    return Corrupt("{}: {} bytes, expected {}{}", path.string(), error ? 0 : size, entry.size, remedy);
  const std::string stamp = Stamp(entry, path);
  if (const auto found = ReadFile(StampPath(path)); found.ok() && *found == stamp) return absl::OkStatus();
  ORRERY_ASSIGN_OR_RETURN(const std::string hash, Sha256HexOfFile(path));
  if (hash != entry.sha256) return Corrupt("{}: SHA-256 {}, expected {}{}", path.string(), hash, entry.sha256, remedy);
  (void)WriteFileAtomically(StampPath(path), stamp);  // in a cache that cannot be written the file is hashed each time
  return absl::OkStatus();
}

StatusOr<fs::path> LocatePath(const Registry& registry, std::string_view text) {
  const fs::path path = CallerPath(fs::path(text));
  std::error_code error;
  if (fs::is_regular_file(path, error)) return path;
  if (fs::is_regular_file(path / "config.json", error)) return path;
  if (fs::exists(path, error))
    return InvalidInput(
        "model {}: not a regular file, and no folder with config.json; a GGUF file or a Hugging Face folder was "
        "expected",
        path.string());
  return NotFound("model '{}': neither a file ({}) nor a known name ({})", text, path.string(),
                  fmt::join(registry.Names(), ", "));
}

}  // namespace

StatusOr<fs::path> LocateModel(const Registry& registry, std::string_view name_or_path, const FetchOptions& options) {
  const ModelEntry* entry = registry.Find(name_or_path);
  if (entry == nullptr) return LocatePath(registry, name_or_path);
  const fs::path path = ModelPath(options.cache, entry->name);
  std::error_code error;
  if (!fs::exists(path, error)) {
    if (!options.fetch) return NotFound("model {} is not in the cache ({})", entry->name, path.string());
    ORRERY_RETURN_IF_ERROR(ModelFetch(*entry, options).Run());
  }
  ORRERY_RETURN_IF_ERROR(CheckCached(*entry, path));
  return path;
}

}  // namespace orrery::model
