// SPDX-License-Identifier: Apache-2.0
#pragma once

// The models of several campaigns of one process: each is hashed once, and loaded once for all campaigns that ask for
// it with the same options.
//
// Any thread may call it.

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/status.h"
#include "model/engine.h"
#include "model/shared_engine.h"
#include "schema/config.h"

namespace orrery::runners {

class SharedModels {
 public:
  // Says that a campaign of this configuration will come, and that it is over: a model that no campaign will ask for
  // any more is given back.
  void Expect(const schema::Config& config);
  void Release(const schema::Config& config);

  StatusOr<std::string> Digest(const std::filesystem::path& model);

  // A share of the engine of model.name, and of that of ppm.name.
  StatusOr<std::shared_ptr<model::Engine>> Policy(const std::filesystem::path& model, const schema::Config& config);
  StatusOr<std::shared_ptr<model::Engine>> Ppm(const std::filesystem::path& model, const schema::Config& config);

  // How often a model was loaded.
  uint64_t loads() const;

 private:
  struct Held {
    uint64_t expected = 0;  // campaigns that may still ask
    std::unique_ptr<model::SharedEngine> engine;
  };

  StatusOr<std::shared_ptr<model::Engine>> Share(const std::string& key, const std::filesystem::path& model,
                                                 const model::EngineOptions& options);

  mutable std::mutex mutex_;  // held while a model is loaded: a second campaign that wants it waits for it
  std::map<std::string, Held> held_;
  std::map<std::filesystem::path, std::string> digests_;
  uint64_t loads_ = 0;
};

}  // namespace orrery::runners
