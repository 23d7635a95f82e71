// SPDX-License-Identifier: Apache-2.0
#include "sandbox/packages.h"

#include <algorithm>
#include <set>
#include <sstream>

namespace orrery::sandbox {
namespace {

constexpr char kLibrary[] = "/usr/lib/python3.11";

bool IsName(std::string_view name) {
  const auto letter = [](char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !name.empty() && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

bool IsIn(const std::filesystem::path& folder, const std::string& name) {
  std::error_code error;
  return std::filesystem::exists(folder / name / "__init__.py", error) ||
         std::filesystem::exists(folder / (name + ".py"), error);
}

}  // namespace

StatusOr<std::string> InstalledPackages(std::string_view setting, const std::filesystem::path& folder) {
  std::string installed;
  std::set<std::string> seen;
  std::istringstream words{std::string(setting)};
  for (std::string name; words >> name;) {
    const bool optional = name.back() == '?';
    if (optional) name.pop_back();
    if (!IsName(name)) {
      return InvalidInput("sandbox.packages: '{}' is no name of a package; names of top-level packages were expected",
                          name);
    }
    if (!IsIn(folder, name) && !IsIn(kLibrary, name)) {
      if (optional) continue;
      return InvalidInput(
          "sandbox.packages: {} is neither in {} nor in Python's own library; install it there, or "
          "leave it out",
          name, folder.string());
    }
    if (seen.insert(name).second) installed += (installed.empty() ? "" : " ") + name;
  }
  return installed;
}

}  // namespace orrery::sandbox
