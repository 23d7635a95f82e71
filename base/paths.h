// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where things lie on a user's machine, and writing a file so that nobody ever sees half of it.

#include <filesystem>
#include <string>
#include <string_view>

#include "base/status.h"

namespace orrery {

// $ORRERY_CACHE, else $XDG_CACHE_HOME/orrery, else $HOME/.cache/orrery: models, the Python environment.
std::filesystem::path CacheFolder();

// The pinned Python environment that ./bazelw makes under the cache folder: <cache>/python.
// Its interpreter is <env>/bin/python3; its packages are <env>/lib/python3.11/site-packages.
std::filesystem::path PythonEnvironment();

// A path as the caller meant it: relative ones are relative to BUILD_WORKING_DIRECTORY, since `bazel run` moves the
// working directory.
std::filesystem::path CallerPath(const std::filesystem::path& path);

// A file of this source tree that a program needs at run time ("configs/models.json"): in Bazel's runfiles, else below
// the working folder.
StatusOr<std::filesystem::path> DataFile(std::string_view relative);

StatusOr<std::string> ReadFile(const std::filesystem::path& path);

// Writes beside `path`, flushes to the disk and renames: a reader sees the old content or the new one.
Status WriteFileAtomically(const std::filesystem::path& path, std::string_view content);

}  // namespace orrery
