// SPDX-License-Identifier: Apache-2.0
#include "model/training/checkpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/digest.h"
#include "base/paths.h"

namespace orrery::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kState = "state.json";
constexpr size_t kRun = size_t{64} << 20;

std::string_view Bytes(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

// A write failed with errno.
Status WriteError(const fs::path& path, size_t left) {
  return MakeStatus(CodeOfWriteError(errno), "{}: cannot be written ({}); {} more bytes are needed", path.string(),
                    std::strerror(errno), left);
}

Status WriteArray(const fs::path& path, std::string_view bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return Failed("{}: cannot be made ({})", path.string(), std::strerror(errno));
  Status status;
  while (!bytes.empty() && status.ok()) {
    const ssize_t written = write(file, bytes.data(), std::min(bytes.size(), kRun));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      status = WriteError(path, bytes.size());
    } else {
      bytes.remove_prefix(static_cast<size_t>(written));
    }
  }
  if (status.ok() && fsync(file) != 0)
    status = Failed("{}: cannot be flushed ({})", path.string(), std::strerror(errno));
  close(file);
  return status;
}

std::string DigestOf(std::span<const float> values) {
  Sha256 hash;
  hash.Update(Bytes(values));
  return Hex(hash.Finish());
}

Status Fill(const fs::path& folder, const CheckpointState& state, const std::vector<CheckpointArray>& arrays) {
  Json json = {{"identity", state.identity}, {"step", state.step}, {"arrays", Json::object()}};
  for (const CheckpointArray& array : arrays) {
    ORRERY_RETURN_IF_ERROR(WriteArray(folder / (array.name + ".f32"), Bytes(array.values)));
    json["arrays"][array.name] = {{"count", array.values.size()}, {"sha256", DigestOf(array.values)}};
  }
  return WriteFileAtomically(folder / kState, json.dump(1) + "\n");
}

Status ReadArray(const fs::path& path, std::span<float> values) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return Corrupt("{}: cannot be opened ({})", path.string(), std::strerror(errno));
  auto* to = reinterpret_cast<char*>(values.data());
  size_t left = values.size_bytes();
  while (left > 0) {
    const ssize_t got = read(file, to, std::min(left, kRun));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    to += got;
    left -= static_cast<size_t>(got);
  }
  char more;
  const bool whole = left == 0 && read(file, &more, 1) == 0;
  close(file);
  return whole ? absl::OkStatus() : Corrupt("{}: {} bytes were expected", path.string(), values.size_bytes());
}

}  // namespace

Status SaveCheckpoint(const fs::path& folder, const CheckpointState& state,
                      const std::vector<CheckpointArray>& arrays) {
  const fs::path partial = folder.string() + ".partial", old = folder.string() + ".old";
  std::error_code error;
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) return Failed("{}: cannot be made ({})", partial.string(), error.message());
  if (const Status status = Fill(partial, state, arrays); !status.ok()) {
    fs::remove_all(partial, error);
    return status;
  }
  fs::remove_all(old, error);
  fs::rename(folder, old, error);  // there may be none yet
  fs::rename(partial, folder, error);
  if (error) return Failed("{}: cannot be renamed to {} ({})", partial.string(), folder.string(), error.message());
  fs::remove_all(old, error);
  return absl::OkStatus();
}

StatusOr<CheckpointState> LoadCheckpoint(const fs::path& folder, const std::string& identity,
                                         const std::vector<CheckpointArray>& arrays) {
  std::error_code error;
  // Killed between the two renames: the old one is whole.
  fs::path from = folder;
  if (!fs::exists(from / kState, error)) from = folder.string() + ".old";
  if (!fs::exists(from / kState, error)) return NotFound("{}: no checkpoint", folder.string());
  ORRERY_ASSIGN_OR_RETURN(const std::string text, ReadFile(from / kState));
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("identity") || !json.contains("step") || !json.contains("arrays"))
    return Corrupt("{}: not a checkpoint's state", (from / kState).string());
  if (json["identity"] != identity) {
    return InvalidInput("{}: a checkpoint of another training (other settings, data or base model)", from.string());
  }
  for (const CheckpointArray& array : arrays) {
    const auto found = json["arrays"].find(array.name);
    if (found == json["arrays"].end() || found->value("count", size_t{0}) != array.values.size())
      return InvalidInput("{}: array '{}' of {} values was expected", from.string(), array.name, array.values.size());
    const fs::path path = from / (array.name + ".f32");
    ORRERY_RETURN_IF_ERROR(ReadArray(path, array.values));
    if (DigestOf(array.values) != found->value("sha256", ""))
      return Corrupt("{}: its bytes have changed", path.string());
  }
  return CheckpointState{identity, json["step"].get<int64_t>()};
}

}  // namespace orrery::model
