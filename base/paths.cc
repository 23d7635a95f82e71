// SPDX-License-Identifier: Apache-2.0
#include "base/paths.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/atomic_file.h"

namespace orrery {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::filesystem::path CacheFolder() {
  if (auto own = Environment("ORRERY_CACHE"); !own.empty()) return own;
  if (auto xdg = Environment("XDG_CACHE_HOME"); !xdg.empty()) return std::filesystem::path(xdg) / "orrery";
  return std::filesystem::path(Environment("HOME")) / ".cache" / "orrery";
}

std::filesystem::path PythonEnvironment() { return CacheFolder() / "python"; }

std::filesystem::path CallerPath(const std::filesystem::path& path) {
  if (path.empty() || path.is_absolute()) return path;
  if (auto folder = Environment("BUILD_WORKING_DIRECTORY"); !folder.empty())
    return std::filesystem::path(folder) / path;
  return std::filesystem::absolute(path);
}

StatusOr<std::filesystem::path> DataFile(std::string_view relative) {
  std::error_code ignored;
  std::vector<std::filesystem::path> roots;
  if (auto runfiles = Environment("RUNFILES_DIR"); !runfiles.empty())
    roots.emplace_back(std::filesystem::path(runfiles) / "orrery");
  if (auto sources = Environment("TEST_SRCDIR"); !sources.empty())
    roots.emplace_back(std::filesystem::path(sources) / "orrery");
  auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  program += ".runfiles";
  roots.emplace_back(program / "orrery");
  roots.emplace_back(std::filesystem::current_path(ignored));
  for (const auto& root : roots) {
    if (auto path = root / relative; std::filesystem::exists(path, ignored)) return path;
  }
  return NotFound("{}: not found beside the program nor in the working folder", relative);
}

StatusOr<std::string> ReadFile(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return InvalidInput("{}: is a folder, a file was expected", path.string());
  std::ifstream file(path, std::ios::binary);
  if (!file) return NotFound("{}: cannot be opened ({})", path.string(), std::strerror(errno));
  std::ostringstream content;
  content << file.rdbuf();
  if (file.bad()) return Failed("{}: reading failed ({})", path.string(), std::strerror(errno));
  return std::move(content).str();
}

Status WriteFileAtomically(const std::filesystem::path& path, std::string_view content) {
  ORRERY_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
  ORRERY_RETURN_IF_ERROR(file.Write(content));
  return file.Commit();
}

}  // namespace orrery
