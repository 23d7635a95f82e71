// SPDX-License-Identifier: Apache-2.0
#pragma once

// Places on the disk that a test has to itself.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace orrery {

// A path in the test's own folder at which nothing is.
inline std::filesystem::path FreshPath(const std::string& name) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / (name + std::to_string(getpid()));
  std::filesystem::remove_all(path);
  return path;
}

// An empty folder.
inline std::filesystem::path FreshFolder(const std::string& name) {
  const std::filesystem::path folder = FreshPath(name);
  std::filesystem::create_directories(folder);
  return folder;
}

}  // namespace orrery
