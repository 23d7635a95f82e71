// SPDX-License-Identifier: Apache-2.0
#include "runners/campaigns/libraries.h"

#include <map>
#include <sstream>

#include "base/paths.h"
#include "kernels/library_version.h"

namespace orrery::runners {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMark = "libraries";
constexpr std::string_view kDecisive[] = {
    "antlr4_python3_runtime", "latex2sympy2_extended", "math_verify", "mpmath", "numpy", "scipy", "sympy"};

// Of "version = 3.11.2" in the environment's pyvenv.cfg.
StatusOr<std::string> InterpreterVersion(const fs::path& python) {
  ORRERY_ASSIGN_OR_RETURN(const std::string text, ReadFile(python / "pyvenv.cfg"));
  std::istringstream lines(text);
  constexpr std::string_view kKey = "version = ";
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(kKey)) return line.substr(kKey.size());
  }
  return NotFound("{}: no line \"version = …\"", (python / "pyvenv.cfg").string());
}

// Installed packages, by name: each has a folder NAME-VERSION.dist-info.
std::map<std::string, std::string> Packages(const fs::path& folder) {
  constexpr std::string_view kEnd = ".dist-info";
  std::map<std::string, std::string> packages;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    const size_t hyphen = name.find('-');
    if (hyphen == std::string::npos || !name.ends_with(kEnd)) continue;
    packages[name.substr(0, hyphen)] = name.substr(hyphen + 1, name.size() - kEnd.size() - hyphen - 1);
  }
  return packages;
}

}  // namespace

StatusOr<std::string> LibraryVersions(const fs::path& python) {
  ORRERY_ASSIGN_OR_RETURN(const std::string interpreter, InterpreterVersion(python));
  std::string versions = fmt::format("oneDNN {}, Python {}", kernels::LibraryVersion(), interpreter);
  const auto packages = Packages(python / "lib/python3.11/site-packages");
  for (const std::string_view name : kDecisive) {
    const auto found = packages.find(std::string(name));
    if (found != packages.end()) versions += fmt::format(", {} {}", name, found->second);
  }
  return versions;
}

Status ClaimLibraries(store::Store& store, std::string_view versions) {
  ORRERY_ASSIGN_OR_RETURN(const auto made_with, store.Mark(kMark));
  if (!made_with) return store.PutMark(kMark, versions);
  if (*made_with == versions) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kFailedPrecondition,
                    "the store was made with other versions of libraries that decide what is in its records: {}; here "
                    "are {}: install those, or choose another output folder",
                    *made_with, versions);
}

}  // namespace orrery::runners
