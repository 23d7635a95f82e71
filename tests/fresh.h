// SPDX-License-Identifier: Apache-2.0
#pragma once

// Places on the disk that a test has to itself.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

namespace orrery {

// What the running test has asked for.
inline std::vector<std::filesystem::path>& FreshPaths() {
  static std::vector<std::filesystem::path> paths;
  return paths;
}

// A path in the test's own folder at which nothing is.
inline std::filesystem::path FreshPath(const std::string& name) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / (name + std::to_string(getpid()));
  std::filesystem::remove_all(path);
  FreshPaths().push_back(path);
  return path;
}

// For the end of a test whose files are large: gigabytes of checkpoints stay no longer than what they are compared
// with.
inline void RemoveFreshPaths() {
  for (const std::filesystem::path& path : FreshPaths()) std::filesystem::remove_all(path);
  FreshPaths().clear();
}

// An empty folder.
inline std::filesystem::path FreshFolder(const std::string& name) {
  const std::filesystem::path folder = FreshPath(name);
  std::filesystem::create_directories(folder);
  return folder;
}

}  // namespace orrery
